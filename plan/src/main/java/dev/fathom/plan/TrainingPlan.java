package dev.fathom.plan;

import dev.fathom.plan.hardware.Hardware;
import java.util.List;

/**
 * What a training takes.
 *
 * @param job what was planned
 * @param step a step of the main phase
 * @param phases every phase
 * @param failures what failures cost
 */
public record TrainingPlan(TrainingJob job, StepPlan step, List<PhaseCost> phases, Failures failures) {
    /**
     * What one phase takes.
     *
     * @param hours device hours
     * @param seconds of wall time
     */
    public record PhaseCost(TrainingPhase phase, double stepSeconds, double hours, double seconds) {}

    public double hours() {
        return phases.stream().mapToDouble(PhaseCost::hours).sum();
    }

    public double dollars() {
        return hours() * job.cluster().hardware().dollarsPerHour().value();
    }

    public double days() {
        return phases.stream().mapToDouble(PhaseCost::seconds).sum() / 86400;
    }

    public double tokensPerDay() {
        return step.tokens() / step.seconds() * 86400;
    }

    /** Training FLOPs per token of the main phase. */
    public double flopPerToken(boolean causal) {
        return job.shape().trainingFlops(job.phases().getFirst().sequenceLength(), causal);
    }

    /** FLOP/s of one device that count for MFU. */
    public double flopsPerDevice(boolean causal) {
        return flopsPerDevice(job, step, causal);
    }

    /** Model FLOPs utilisation against the BF16 peak; causal counts the attention that is needed, the other all of it. */
    public double utilisation(boolean causal) {
        return utilisation(job, step, causal);
    }

    private static double flopsPerDevice(TrainingJob job, StepPlan step, boolean causal) {
        return job.shape().trainingFlops(job.phases().getFirst().sequenceLength(), causal)
                * step.tokens()
                / step.seconds()
                / job.cluster().devices();
    }

    /** The same for a step that is not planned further. */
    static double utilisation(TrainingJob job, StepPlan step, boolean causal) {
        Hardware hardware = job.cluster().hardware();
        return flopsPerDevice(job, step, causal) / hardware.peak(hardware.reference());
    }

    /** Hours per trillion tokens of the main phase. */
    public double hoursPerTrillionTokens() {
        return 1e12 / step.tokens() * step.seconds() / 3600 * job.cluster().devices();
    }
}
