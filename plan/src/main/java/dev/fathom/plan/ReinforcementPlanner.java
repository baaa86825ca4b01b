package dev.fathom.plan;

import dev.fathom.plan.hardware.Precision;
import dev.fathom.plan.shape.ModelShape;
import java.util.ArrayList;
import java.util.List;

/**
 * Plans reinforcement learning as DeepSeek-R1 does it (arXiv 2501.12948, supplement): the cluster samples many responses at once, scores them
 * under the reference and the sampling policy, and then trains on them in several steps; modules take turns on all devices. A rollout is over
 * when its longest response is, so its time is the longest response times the time per token.
 */
public final class ReinforcementPlanner {
    /** Tokens per step of speculative decoding with the MTP module (DeepSeek-V3 section 5.4.3: 1.8 times the speed). */
    private static final double SPECULATION = 1.8;

    private final Calibration calibration;

    public ReinforcementPlanner(Calibration calibration) {
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

    /** R1-Zero: 10,400 steps, longer responses after step 8,200. Mean lengths are read off the published curve. */
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

    /** R1: R1-Zero, then the data for fine-tuning, then two stages of reinforcement learning. */
    public static List<Stage> r1() {
        List<Stage> stages = new ArrayList<>(r1Zero());
        stages.add(new Stage("SFT data", 0, 0, 1, 0, 0, 5000, "taken as published, not computed"));
        stages.add(new Stage(
                "R1, first stage",
                3100,
                512,
                8192,
                9000,
                32768,
                0,
                "3,100 steps are inferred from the published hours, not published"));
        stages.add(new Stage("R1, second stage", 1700, 512, 8192, 6000, 32768, 0, "1,700 steps as published"));
        return stages;
    }

    /**
     * @param trainingSeconds per token and device, of a training step of the model in its training layout
     */
    public ReinforcementPlan plan(
            ModelShape shape, Cluster cluster, Precision precision, double trainingSeconds, List<Stage> stages) {
        ServingPlanner serving = new ServingPlanner(shape, cluster.hardware(), precision, calibration);
        int unit = unit(shape, cluster);
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
            double perToken = serving.decodeSeconds(
                            new ServingPlanner.Workload(unit, unit, stage.meanTokens() / 2, 0, 1, 1, 1, 1),
                            Math.max(1.0, active))
                    / (shape.predictionModules() > 0 ? SPECULATION : 1)
                    / calibration.rolloutSpeed().value();
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
                : (int) Math.min(cluster.devices(), 64);
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
