package dev.fathom.bench;

import dev.fathom.engine.DType;
import dev.fathom.engine.Engine;
import dev.fathom.engine.Precision;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalLong;

/** Training steps of a workload in the steady state, and where their time goes. */
public final class TrainingBenchmark {
    /** Steps before any is timed, unless somebody wants fewer: C2 compiles for the first 20 s of a process, which on two cores is as many steps of w1. */
    public static final int WARMUP = 40;

    private static final int PROFILED_STEPS = 3;

    private TrainingBenchmark() {}

    /**
     * How it is measured.
     *
     * @param warmup steps before it is timed: the compilers are busy, the workspace grows
     * @param steps that are timed
     * @param sequencesPerPass sequences that go through the model together; 0 for as many as a step has
     */
    public record Options(int warmup, int steps, int sequencesPerPass) {
        public Options {
            if (warmup < 0 || steps < 1 || sequencesPerPass < 0) {
                throw new IllegalArgumentException("needs warmup >= 0, steps >= 1, sequences per pass >= 0; are "
                        + warmup + ", " + steps + ", " + sequencesPerPass);
            }
        }
    }

    /**
     * What came out. Names are those of the JSON.
     *
     * @param tokensPerSecond tokens of a step over the median step
     * @param gflops 10^9 FLOP per second by the workload's count
     * @param peakFraction of the machine's peak at this precision
     * @param kernels the kernels line
     * @param peakMemoryBytes of the process, its largest resident set; where the system does not say, of what the step needs
     * @param cpuUtilisation processor time of the whole process over wall time and threads; waiting in a spin loop counts as busy
     * @param lossFirst before the first step, that of warm-up included
     * @param operations of a step with the profile on, most time first
     */
    public record Result(
            String workload,
            double tokensPerSecond,
            double gflops,
            double peakFraction,
            String kernels,
            String precision,
            int threads,
            long peakMemoryBytes,
            long parameters,
            double flopPerToken,
            int sequencesPerPass,
            List<Double> stepSeconds,
            double medianStepSeconds,
            double bestStepSeconds,
            double worstStepSeconds,
            double lossFirst,
            double lossLast,
            double cpuUtilisation,
            MachinePeak peak,
            List<OperationProfile.Share> operations) {}

    /** Runs it. */
    public static Result run(Workload workload, Engine engine, Options options) {
        int perPass = options.sequencesPerPass == 0 ? workload.sequences() : options.sequencesPerPass;
        int[][][] batches = ChainData.batches(workload);
        Steady steady = steady(workload, engine, options, perPass, batches);
        MachinePeak peak = MachinePeak.measure(engine);
        Precision precision = engine.gemm().precision();
        Timings timings = steady.timings;
        double tokensPerSecond = workload.tokens() / timings.median();
        double gflops = tokensPerSecond * workload.trainingFlopPerToken() * 1e-9;
        return new Result(
                workload.name(),
                tokensPerSecond,
                gflops,
                gflops / peak.gflops(precision),
                engine.describe(),
                precision.name().toLowerCase(Locale.ROOT),
                engine.pool().threads(),
                steady.peakMemory,
                steady.parameters,
                workload.trainingFlopPerToken(),
                perPass,
                timings.seconds(),
                timings.median(),
                timings.best(),
                timings.worst(),
                steady.losses.getFirst(),
                steady.losses.getLast(),
                timings.cpuSeconds() / (timings.total() * engine.pool().threads()),
                peak,
                profile(workload, engine, perPass, batches, peak));
    }

    /** What is left of the steps that are timed; their model is not, as the profile's takes its place in memory. */
    private record Steady(Timings timings, List<Double> losses, long peakMemory, long parameters) {}

    private static Steady steady(Workload workload, Engine engine, Options options, int perPass, int[][][] batches) {
        TrainingLoop loop = TrainingLoop.of(workload, engine, perPass);
        List<Double> losses = new ArrayList<>();
        for (int step = 0; step < options.warmup; step++) {
            losses.add(loop.step(batches[step % batches.length]));
        }
        Timings timings = Timings.of(
                options.steps, step -> losses.add(loop.step(batches[(options.warmup + step) % batches.length])));
        return new Steady(
                timings, losses, peakMemory(loop), loop.model().parameters().count());
    }

    /** A model of its own on a watched engine, so that nothing watches the steps that are timed. */
    private static List<OperationProfile.Share> profile(
            Workload workload, Engine engine, int perPass, int[][][] batches, MachinePeak peak) {
        OperationProfile profile = new OperationProfile(peak);
        TrainingLoop loop = TrainingLoop.of(workload, profile.watch(engine), perPass);
        loop.step(batches[0]); // the workspace grows
        for (int step = 1; step <= PROFILED_STEPS; step++) {
            int[][] batch = batches[step % batches.length];
            profile.step(() -> loop.step(batch));
        }
        // A part of a step that is no call of the kernels: weights are read and written.
        double bytes =
                2.0 * DType.F32.bytes() * loop.model().parameters().values().size();
        for (int step = 0; step < PROFILED_STEPS; step++) {
            long start = System.nanoTime();
            loop.model().refresh();
            double seconds = (System.nanoTime() - start) * 1e-9;
            profile.add(Operation.of("pack weights", seconds, 0, bytes, Precision.F32, peak));
        }
        return profile.shares();
    }

    private static long peakMemory(TrainingLoop loop) {
        OptionalLong resident = ProcessMemory.peakResidentBytes();
        // Values, gradients and two moments.
        long tensors =
                4L * DType.F32.bytes() * loop.model().parameters().values().size() + loop.peakActivationBytes();
        return resident.orElse(tensors);
    }
}
