package dev.fathom.learn.eval;

import dev.fathom.learn.Json;
import dev.fathom.learn.LearnException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.node.ObjectNode;

/**
 * The result of an evaluation on held-out problems: what {@code fathom eval --json} prints and the report shows.
 *
 * <p>In JSON the overall score's fields stand at the top ({@code passAt1}, {@code passAtK}, {@code k}, {@code greedy},
 * {@code problems}, {@code meanResponseTokens}, …) and again in {@code hardest} and in each entry of {@code levels}.
 *
 * @param k of pass@k
 * @param samplesPerProblem responses per problem
 * @param overall over all problems
 * @param hardest over the highest evaluated level of each task
 * @param levels per task and level
 */
public record Evaluation(int k, int samplesPerProblem, Score overall, Score hardest, List<Level> levels) {
    /**
     * A score over some problems; shares are 0 … 1.
     *
     * @param passAt1 share of right responses
     * @param passAt1Low lower end of its 95 % interval
     * @param passAt1High upper end of its 95 % interval
     * @param passAtK share of problems solved by at least one of k responses (unbiased estimate)
     * @param greedy share of right greedy responses; null if none were made
     * @param problems how many different problems
     * @param meanResponseTokens mean length of the sampled responses
     * @param wellFormed share of responses in the response format
     * @param truncated share of responses cut off at the limit
     */
    public record Score(
            double passAt1,
            double passAt1Low,
            double passAt1High,
            double passAtK,
            @Nullable Double greedy,
            int problems,
            double meanResponseTokens,
            double wellFormed,
            double truncated) {}

    /** The score of one level of one task. */
    public record Level(String task, int level, Score score) {}

    public Evaluation {
        levels = List.copyOf(levels);
    }

    /** Aggregates the results; every problem must have the same number of samples, at least {@code k}. */
    public static Evaluation of(List<ProblemResult> results, int k) {
        if (results.isEmpty()) {
            throw new IllegalArgumentException("an evaluation needs at least one problem");
        }
        int samples = results.getFirst().samples();
        if (samples < k || results.stream().anyMatch(result -> result.samples() != samples)) {
            throw new IllegalArgumentException("every problem needs the same number of samples, at least " + k);
        }
        List<Level> levels = new ArrayList<>();
        List<ProblemResult> hardest = new ArrayList<>();
        byTask(results).forEach((task, ofTask) -> {
            TreeMap<Integer, List<ProblemResult>> byLevel = ofTask.stream()
                    .collect(Collectors.groupingBy(ProblemResult::level, TreeMap::new, Collectors.toList()));
            byLevel.forEach((level, ofLevel) -> levels.add(new Level(task, level, score(ofLevel, k))));
            hardest.addAll(byLevel.lastEntry().getValue());
        });
        return new Evaluation(k, samples, score(results, k), score(hardest, k), levels);
    }

    private static Map<String, List<ProblemResult>> byTask(List<ProblemResult> results) {
        return results.stream().collect(Collectors.groupingBy(ProblemResult::task, TreeMap::new, Collectors.toList()));
    }

    private static Score score(List<ProblemResult> results, int k) {
        int problems = results.size();
        double[] shares = new double[problems];
        double passAtK = 0;
        long responses = 0;
        long correct = 0;
        long wellFormed = 0;
        long truncated = 0;
        long tokens = 0;
        int greedyAnswers = 0;
        int greedyCorrect = 0;
        for (int i = 0; i < problems; i++) {
            ProblemResult result = results.get(i);
            shares[i] = (double) result.correct() / result.samples();
            passAtK += Statistics.passAtK(result.samples(), result.correct(), k);
            responses += result.samples();
            correct += result.correct();
            wellFormed += result.wellFormed();
            truncated += result.truncated();
            tokens += result.responseTokens();
            if (result.greedyCorrect() != null) {
                greedyAnswers++;
                greedyCorrect += result.greedyCorrect() ? 1 : 0;
            }
        }
        Statistics.Interval interval =
                Statistics.passAt1Interval(shares, results.getFirst().samples());
        return new Score(
                (double) correct / responses,
                interval.low(),
                interval.high(),
                passAtK / problems,
                greedyAnswers < problems ? null : (Double) ((double) greedyCorrect / problems),
                problems,
                (double) tokens / responses,
                (double) wellFormed / responses,
                (double) truncated / responses);
    }

    public ObjectNode toJson() {
        ObjectNode root = flat(overall);
        root.set("hardest", flat(hardest));
        var list = root.putArray("levels");
        for (Level level : levels) {
            ObjectNode entry = list.addObject();
            entry.put("task", level.task).put("level", level.level);
            entry.setAll(flat(level.score));
        }
        return root;
    }

    private ObjectNode flat(Score score) {
        ObjectNode node = Json.MAPPER.valueToTree(score);
        node.put("k", k).put("samplesPerProblem", samplesPerProblem);
        return node;
    }

    public static Evaluation fromJson(ObjectNode root) {
        try {
            List<Level> levels = new ArrayList<>();
            for (var entry : root.required("levels")) {
                levels.add(new Level(
                        entry.required("task").asString(),
                        entry.required("level").asInt(),
                        score((ObjectNode) entry)));
            }
            return new Evaluation(
                    root.required("k").asInt(),
                    root.required("samplesPerProblem").asInt(),
                    score(root),
                    score((ObjectNode) root.required("hardest")),
                    levels);
        } catch (JacksonException e) {
            throw new LearnException("Not an evaluation: " + e.getOriginalMessage() + ".", e);
        }
    }

    private static Score score(ObjectNode node) {
        ObjectNode fields = node.deepCopy();
        fields.remove(List.of("k", "samplesPerProblem", "hardest", "levels", "task", "level"));
        return Json.MAPPER.treeToValue(fields, Score.class);
    }
}
