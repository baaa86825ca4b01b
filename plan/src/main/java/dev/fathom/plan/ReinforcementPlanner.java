package dev.fathom.plan;

import dev.fathom.plan.hardware.Precision;
import dev.fathom.plan.shape.ModelShape;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Plans reinforcement learning as DeepSeek-R1 does it (arXiv 2501.12948, supplement): the cluster samples many responses at once, scores them
 * under the reference and the sampling policy, and then trains on them in several steps; modules take turns on all devices. A rollout is over
 * when its longest response is, so its time is the longest response times the time per token.
 */
public final class ReinforcementPlanner {
    /** Devices that share the experts in a rollout: not published, assumed as in training. */
    private static final int UNIT = 64;

    private final InferenceCalibration calibration;

    public ReinforcementPlanner(InferenceCalibration calibration) {
        this.calibration = calibration;
    }

    /**
     * A stretch of reinforcement learning.
     *
     * @param steps optimizer steps
     * @param responsesPerStep responses per optimizer step
     * @param responsesPerRollout responses sampled at once
     * @param meanTokens mean length of a response
     * @param longestTokens limit of a response, which some response of every rollout reaches
     * @param note where the numbers come from
     */
    public record Stage(
            String name,
            int steps,
            int responsesPerStep,
            int responsesPerRollout,
            double meanTokens,
            double longestTokens,
            double givenHours,
            String note) {}

    /**
     * What a stage takes, in seconds of wall time.
     *
     * @param hours device hours
     */
    public record StageCost(Stage stage, double rollout, double scoring, double training, double hours) {}

    /** A plan of all stages. */
    public record ReinforcementPlan(Cluster cluster, List<StageCost> stages) {
        public double hours() {
            return stages.stream().mapToDouble(StageCost::hours).sum();
        }

        public double dollars() {
            return hours() * cluster.hardware().dollarsPerHour().value();
        }
    }

    /**
     * Steps of R1's first stage that we assume: one pass over the 88K published prompts for reasoning (mathematics 26K, code 17K and 8K, science 22K, logic
     * 15K), 32 a step.
     */
    public static final int FIRST_STAGE_STEPS = 2750;

    /**
     * R1-Zero: 10,400 steps, longer responses after step 8,200, as published. Mean lengths are read off the published curve; that the longest response
     * reaches the limit is an assumption.
     */
    public static List<Stage> r1Zero() {
        return List.of(
                new Stage(
                        "R1-Zero, to step 8,200",
                        8200,
                        512,
                        8192,
                        5000,
                        32768,
                        0,
                        "mean length read off the published curve"),
                new Stage(
                        "R1-Zero, to step 10,400",
                        2200,
                        512,
                        8192,
                        9500,
                        65536,
                        0,
                        "mean length read off the published curve"));
    }

    /**
     * R1: R1-Zero, then the data for fine-tuning, then two stages of reinforcement learning.
     *
     * @param firstStageSteps of the first of them, which are not published
     */
    public static List<Stage> r1(int firstStageSteps) {
        List<Stage> stages = new ArrayList<>(r1Zero());
        stages.add(new Stage("SFT data", 0, 0, 1, 0, 0, 5000, "taken as published, not computed"));
        stages.add(new Stage(
                "R1, first stage",
                firstStageSteps,
                512,
                8192,
                9000,
                32768,
                0,
                String.format(Locale.ROOT, "%,d steps and the mean length are assumptions", firstStageSteps)));
        stages.add(new Stage(
                "R1, second stage",
                1700,
                512,
                8192,
                6000,
                32768,
                0,
                "1,700 steps as published, mean length is an assumption"));
        return stages;
    }

    /**
     * @param trainingSeconds per token and device, of a training step of the model in its training layout
     */
    public ReinforcementPlan plan(
            ModelShape shape, Cluster cluster, Precision precision, double trainingSeconds, List<Stage> stages) {
        ServingPlanner serving = new ServingPlanner(shape, cluster.hardware(), precision, calibration);
        int unit = unit(shape, cluster);
        int redundant = ServingPlanner.redundant(shape);
        List<StageCost> costs = new ArrayList<>();
        for (Stage stage : stages) {
            if (stage.givenHours() > 0) {
                costs.add(new StageCost(stage, 0, 0, 0, stage.givenHours()));
                continue;
            }
            check(stage);
            double rollouts = (double) stage.steps() * stage.responsesPerStep() / stage.responsesPerRollout();
            // Sequences under way per device, on average over the rollout: most end long before the longest.
            double active =
                    stage.responsesPerRollout() * stage.meanTokens() / stage.longestTokens() / cluster.devices();
            // Whoever is still under way is as long as the rollout lasts so far: half the longest on average.
            double perToken = serving.secondsPerToken(unit, redundant, Math.max(1, active), stage.longestTokens() / 2);
            double rollout = rollouts * stage.longestTokens() * perToken;
            double tokens = (double) stage.steps() * stage.responsesPerStep() * stage.meanTokens();
            double training = tokens * trainingSeconds / cluster.devices();
            double scoring = 2 * training / 3; // two forward passes: reference, and the policy that sampled
            costs.add(new StageCost(
                    stage, rollout, scoring, training, (rollout + scoring + training) * cluster.devices() / 3600));
        }
        return new ReinforcementPlan(cluster, costs);
    }

    private static int unit(ModelShape shape, Cluster cluster) {
        return shape.experts() == null
                ? TrainingPlanner.nearestDivisor(shape.attention().heads(), (int)
                        Math.min(cluster.devices(), cluster.hardware().devicesPerNode()))
                : (int) Math.min(cluster.devices(), UNIT);
    }

    private static void check(Stage stage) {
        if (stage.steps() < 1) {
            throw PlanException.of("--steps", stage.steps(), "at least 1");
        }
        if (stage.responsesPerStep() < 1 || stage.responsesPerRollout() < stage.responsesPerStep()) {
            throw PlanException.of(
                    "--responses-per-rollout",
                    stage.responsesPerRollout(),
                    "at least the " + stage.responsesPerStep() + " responses of a step");
        }
        if (!(stage.meanTokens() >= 1) || stage.longestTokens() < stage.meanTokens()) {
            throw PlanException.of(
                    "--mean-tokens", stage.meanTokens(), "from 1 to the longest response, " + stage.longestTokens());
        }
    }
}
