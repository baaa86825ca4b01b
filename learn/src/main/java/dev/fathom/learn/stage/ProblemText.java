package dev.fathom.learn.stage;

import dev.fathom.learn.LearnException;
import dev.fathom.learn.recipe.PretrainOptions;
import dev.fathom.learn.task.Problem;
import dev.fathom.learn.task.Problems;
import dev.fathom.learn.task.RandomSource;
import dev.fathom.learn.task.Solution;
import dev.fathom.learn.task.Task;
import java.util.ArrayList;
import java.util.List;

/**
 * The pre-training text: problems of the training split with their answers, a minority of them worked out. Document {@code i} of
 * step {@code n} is a function of the seed, n and i alone, so a resumed run reads the same text.
 */
final class ProblemText {
    /** Philox stream of the documents ("text"). */
    private static final int TEXT = 0x74657874;

    private static final int DOCUMENTS_PER_STEP = 1 << 20;

    private final List<Task> tasks;
    private final PretrainOptions options;
    private final ProblemCodec codec;
    private final long seed;

    ProblemText(List<Task> tasks, PretrainOptions options, ProblemCodec codec, long seed) {
        this.tasks = tasks;
        this.options = options;
        this.codec = codec;
        this.seed = seed;
    }

    /** The documents of a step: as many as it takes to reach {@code batchTokens}. */
    List<TrainingSequence> step(long step) {
        List<TrainingSequence> documents = new ArrayList<>();
        int rows = 0;
        while (rows < options.batchTokens()) {
            RandomSource random = RandomSource.at(seed, TEXT, step * DOCUMENTS_PER_STEP + documents.size());
            TrainingSequence document = document(random);
            documents.add(document);
            rows += document.rows();
        }
        return documents;
    }

    private TrainingSequence document(RandomSource random) {
        Task task = random.pick(tasks);
        Problem problem = new Problems(task).train(random, options.drawLevel(random, task.levels()));
        Solution worked = task.solve(problem, random).orElseThrow(() -> noSolutions(task));
        Solution shown = random.chance(options.workedShare()) ? worked : worked.guess();
        return codec.document(problem, shown, options.trainOnPrompt());
    }

    /** @throws LearnException if the task has no worked solutions */
    static void requireSolutions(Task task) {
        RandomSource random = RandomSource.at(0, TEXT, 0);
        if (task.solve(new Problems(task).train(random, 1), random).isEmpty()) {
            throw noSolutions(task);
        }
    }

    private static LearnException noSolutions(Task task) {
        return new LearnException("Task " + task.name()
                + " has no worked solutions (Task.solve), so there is no text to pre-train on; it can be used for"
                + " reinforcement learning of a model that was pre-trained on other tasks.");
    }
}
