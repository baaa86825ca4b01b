package dev.fathom.learn.stage;

import dev.fathom.infer.Completion;
import dev.fathom.infer.GenerationRequest;
import dev.fathom.infer.Generator;
import dev.fathom.infer.TokenListener;
import dev.fathom.learn.LearnException;
import dev.fathom.learn.eval.Evaluation;
import dev.fathom.learn.eval.ProblemResult;
import dev.fathom.learn.recipe.EvalOptions;
import dev.fathom.learn.reward.Grader;
import dev.fathom.learn.reward.Reward;
import dev.fathom.learn.run.Sample;
import dev.fathom.learn.task.Problem;
import dev.fathom.learn.task.Problems;
import dev.fathom.learn.task.RandomSource;
import dev.fathom.learn.task.Task;
import java.util.ArrayList;
import java.util.List;

/**
 * Evaluation on held-out problems: several responses to each at the given temperature, and a greedy one. The problems are the same in
 * every run and at every moment of it, so that figures can be compared.
 */
public final class Evaluator {
    /** Philox stream of the held-out problems ("eval"); their seed is fixed. */
    private static final int PROBLEMS = 0x6576616c;

    /** Ids of evaluation samples, apart from those of rollouts. */
    private static final long SAMPLES = 1L << 62;

    private final List<Task> tasks;
    private final ProblemCodec codec;
    private final Generator generator;
    private final long seed;

    public Evaluator(List<Task> tasks, ProblemCodec codec, Generator generator, long seed) {
        this.tasks = tasks;
        this.codec = codec;
        this.generator = generator;
        this.seed = seed;
    }

    /** A problem with the responses to it; the greedy one last, if there is one. */
    private record Answered(Task task, Problem problem, List<Completion> completions, boolean greedy) {}

    /**
     * A result and some of its responses.
     *
     * @param samples the first few responses of each task's hardest level
     * @param tokens generated tokens
     */
    public record Result(Evaluation evaluation, List<Sample> samples, long tokens) {}

    /** Hears how far an evaluation is. */
    @FunctionalInterface
    public interface Progress {
        void onResponses(long done, long all);
    }

    /**
     * @param label which model this is, for the samples
     * @param samplesToShow responses to keep per task
     * @param progress hears the number of responses that are done
     */
    public Result evaluate(EvalOptions options, String label, int samplesToShow, Progress progress) {
        List<Answered> asked = new ArrayList<>();
        List<GenerationRequest> requests = new ArrayList<>();
        for (Task task : tasks) {
            for (int level : levels(task, options)) {
                for (Problem problem : heldOut(task, level, options.problemsPerLevel())) {
                    asked.add(new Answered(task, problem, new ArrayList<>(), options.greedy()));
                    int[] prompt = codec.prompt(problem.prompt());
                    int responses = options.samplesPerProblem() + (options.greedy() ? 1 : 0);
                    for (int i = 0; i < responses; i++) {
                        float temperature = i < options.samplesPerProblem() ? (float) options.temperature() : 0;
                        requests.add(new GenerationRequest(
                                SAMPLES + requests.size(), prompt, options.maxResponseTokens(), temperature));
                    }
                }
            }
        }
        List<Completion> completions = generateAll(requests, progress);
        int each = options.samplesPerProblem() + (options.greedy() ? 1 : 0);
        for (int i = 0; i < completions.size(); i++) {
            asked.get(i / each).completions.add(completions.get(i));
        }
        return new Result(
                Evaluation.of(asked.stream().map(this::grade).toList(), options.k()),
                samples(asked, label, samplesToShow),
                completions.stream()
                        .mapToLong(completion -> completion.tokens().length)
                        .sum());
    }

    /** How many problems the options ask for at most; a level may have fewer. */
    static List<Problem> heldOut(Task task, int level, int count) {
        return new Problems(task).distinctHeldOut(RandomSource.at(0, PROBLEMS, level), level, count);
    }

    private static List<Integer> levels(Task task, EvalOptions options) {
        List<Integer> levels = new ArrayList<>();
        for (int level = 1; level <= task.levels(); level++) {
            if (options.levels().isEmpty() || options.levels().contains(level)) {
                levels.add(level);
            }
        }
        if (levels.isEmpty()) {
            throw new LearnException("task " + task.name() + " has levels 1 to " + task.levels()
                    + ", none of the levels asked for: " + options.levels());
        }
        return levels;
    }

    private List<Completion> generateAll(List<GenerationRequest> requests, Progress progress) {
        long[] done = {0};
        int[] lengths = new int[requests.size()];
        TokenListener counter = (request, token) -> {
            boolean full = ++lengths[(int) (request.id() - SAMPLES)] == request.maxTokens();
            if (full || token == codec.end()) {
                progress.onResponses(++done[0], requests.size());
            }
        };
        return generator.generate(requests, seed, codec.end(), false, counter);
    }

    private ProblemResult grade(Answered answered) {
        int sampled = answered.completions.size() - (answered.greedy ? 1 : 0);
        int correct = 0;
        int wellFormed = 0;
        int truncated = 0;
        long tokens = 0;
        for (Completion completion : answered.completions.subList(0, sampled)) {
            Reward reward = reward(answered, completion);
            correct += reward.correct() ? 1 : 0;
            wellFormed += reward.wellFormed() ? 1 : 0;
            truncated += completion.truncated() ? 1 : 0;
            tokens += completion.tokens().length;
        }
        Boolean greedy = answered.greedy
                ? reward(answered, answered.completions.getLast()).correct()
                : null;
        return new ProblemResult(
                answered.task.name(),
                answered.problem.level(),
                sampled,
                correct,
                wellFormed,
                truncated,
                tokens,
                greedy);
    }

    private Reward reward(Answered answered, Completion completion) {
        if (completion.truncated()) {
            return Reward.CUT_OFF;
        }
        return new Grader().grade(answered.task, answered.problem, codec.response(completion.tokens()));
    }

    /** The first sampled response to the first problems of each task's hardest level. */
    private List<Sample> samples(List<Answered> asked, String label, int count) {
        List<Sample> samples = new ArrayList<>();
        for (Task task : tasks) {
            int hardest = asked.stream()
                    .filter(answered -> answered.task == task)
                    .mapToInt(answered -> answered.problem.level())
                    .max()
                    .orElse(0);
            asked.stream()
                    .filter(answered -> answered.task == task && answered.problem.level() == hardest)
                    .limit(count)
                    .map(answered -> sample(answered, label))
                    .forEach(samples::add);
        }
        return samples;
    }

    private Sample sample(Answered answered, String label) {
        Completion completion = answered.completions.getFirst();
        Reward reward = reward(answered, completion);
        return new Sample(
                EvalOptions.STAGE,
                0,
                label,
                answered.task.name(),
                answered.problem.level(),
                answered.problem.prompt(),
                codec.response(completion.tokens()),
                reward.correct(),
                reward.total(),
                completion.tokens().length);
    }
}
