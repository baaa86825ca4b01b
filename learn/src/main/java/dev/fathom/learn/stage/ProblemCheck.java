package dev.fathom.learn.stage;

import dev.fathom.learn.LearnException;
import dev.fathom.learn.task.Problem;
import dev.fathom.learn.task.Problems;
import dev.fathom.learn.task.RandomSource;
import dev.fathom.learn.task.Task;
import dev.fathom.model.config.DeepseekConfig;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * Draws some problems of every level, of both sides of the split, before a run begins: that a level is too small, a character unknown or a
 * problem too long for the model is then said at once and not after minutes of pre-training.
 */
final class ProblemCheck {
    /** Philox stream of these problems ("look"). */
    private static final int LOOK = 0x6c6f6f6b;

    private static final int PROBLEMS_PER_LEVEL = 10;

    private ProblemCheck() {}

    /** Whether worked documents fit into the model's positions. */
    static void documents(Task task, ProblemCodec codec, DeepseekConfig config) {
        problems(task)
                .forEach(problem -> task.solve(problem, RandomSource.at(0, LOOK, problem.level()))
                        .ifPresent(solution -> require(
                                task,
                                problem,
                                "its worked solution has",
                                codec.document(problem, solution, false).rows(),
                                config)));
    }

    /** Whether a problem leaves room for the longest response. */
    static void responses(Task task, ProblemCodec codec, DeepseekConfig config, int maxResponseTokens) {
        problems(task)
                .forEach(problem -> require(
                        task,
                        problem,
                        "with maxResponseTokens=" + maxResponseTokens + " it has",
                        codec.prompt(problem.prompt()).length + maxResponseTokens,
                        config));
    }

    private static Stream<Problem> problems(Task task) {
        Problems source = new Problems(task);
        return IntStream.rangeClosed(1, task.levels())
                .boxed()
                .flatMap(level -> Stream.concat(
                        Stream.of(source.heldOut(RandomSource.at(0, LOOK, level), level)),
                        IntStream.range(0, PROBLEMS_PER_LEVEL)
                                .mapToObj(i -> source.train(RandomSource.at(i + 1L, LOOK, level), level))));
    }

    private static void require(Task task, Problem problem, String what, int tokens, DeepseekConfig config) {
        if (tokens > config.maxPositionEmbeddings()) {
            throw new LearnException(
                    "Task " + task.name() + ", level " + problem.level() + ", problem " + problem.prompt()
                            + " : " + what + " " + tokens + " tokens, the model has max_position_embeddings="
                            + config.maxPositionEmbeddings() + ".");
        }
    }
}
