package dev.fathom.bench;

import dev.fathom.bench.RecordedOperations.Recorded;
import dev.fathom.engine.Engine;
import dev.fathom.engine.Precision;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;

/** Single operations, alone and repeated: matrix products, or everything else. */
public final class OperationBenchmark {
    /** Products of sizes that no workload has: odd ones, few rows, and experts that share their rows unevenly. */
    private static final List<ProductShape> ODD_SHAPES = List.of(
            new ProductShape(777, 131, 77, 1),
            new ProductShape(33, 320, 100, 1),
            new ProductShape(1, 256, 4096, 1),
            new ProductShape(2048, 320, 256, 24),
            new ProductShape(8192, 256, 256, 16));

    private OperationBenchmark() {}

    /** Which operations. */
    public enum Kind {
        GEMM,
        KERNELS
    }

    /**
     * One operation in one JVM or several.
     *
     * @param name method, rows and sizes of the operands
     * @param calls in a step of the workload, 0 if the workload has none of this size
     * @param seconds median of a call, over the forks
     * @param worstForkSeconds median of a call in the slowest fork: vector code is bimodal, so look at it
     * @param gflops at the median
     * @param peakFraction of the machine's peak for these operands, 0 for operations that only pass over memory
     * @param rooflineFraction least time at the machine's peaks over the median; above 1 where operands stay in caches
     */
    public record Measured(
            String name,
            int calls,
            double seconds,
            double worstForkSeconds,
            double gflops,
            double gigabytesPerSecond,
            double peakFraction,
            double rooflineFraction) {}

    /**
     * What came out. Names are those of the JSON.
     *
     * @param tokensPerSecond if a training step were made of these operations alone, each as often as the workload makes it
     * @param gflops and peakFraction: the same, for arithmetic
     * @param forks JVMs that were measured
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
            int forks,
            MachinePeak peak,
            List<Measured> operations) {}

    /**
     * Measures in this JVM.
     *
     * @param shapes products to measure instead of those of the workload and the odd ones; empty for these
     * @param seconds of each operation, half of them to warm up
     */
    public static Result run(Kind kind, Workload workload, Engine engine, List<ProductShape> shapes, double seconds) {
        if (!(seconds > 0) || seconds > 60) {
            throw new IllegalArgumentException(
                    "seconds of an operation must be above 0 and at most 60, are " + seconds);
        }
        List<Recorded> ofStep = shapes.isEmpty()
                ? RecordedOperations.ofTraining(workload, engine).stream()
                        .filter(recorded -> recorded.call().isProduct() == (kind == Kind.GEMM))
                        .toList()
                : List.of();
        List<Recorded> others = new ArrayList<>();
        if (kind == Kind.GEMM) {
            for (ProductShape shape : shapes.isEmpty() ? ODD_SHAPES : shapes) {
                others.addAll(RecordedOperations.ofShape(shape, engine));
            }
        }
        if (kind == Kind.KERNELS) {
            RecordedOperations.ofRollout(workload.rollout(), engine).stream()
                    .filter(recorded -> !recorded.call().isProduct())
                    .forEach(others::add);
        }
        MachinePeak peak = MachinePeak.measure(engine);
        List<Measured> measured = new ArrayList<>();
        double stepSeconds = 0;
        double stepFlops = 0;
        for (Recorded recorded : ofStep) {
            Measured operation = measure(recorded, recorded.calls(), seconds, peak);
            stepSeconds += operation.seconds * operation.calls;
            stepFlops += recorded.call().flops() * operation.calls;
            measured.add(operation);
        }
        for (Recorded recorded : others) {
            measured.add(measure(recorded, 0, seconds, peak));
        }
        Precision precision = engine.gemm().precision();
        double gflops = stepSeconds > 0 ? stepFlops / stepSeconds * 1e-9 : 0;
        return new Result(
                workload.name(),
                stepSeconds > 0 ? workload.tokens() / stepSeconds : 0,
                gflops,
                gflops / peak.gflops(kind == Kind.GEMM ? precision : Precision.F32),
                engine.describe(),
                precision.name().toLowerCase(Locale.ROOT),
                engine.pool().threads(),
                ProcessMemory.peakResidentBytes().orElse(0),
                1,
                peak,
                measured);
    }

    private static Measured measure(Recorded recorded, int calls, double seconds, MachinePeak peak) {
        Call call = recorded.call();
        repeat(call, seconds / 2);
        double median = Timings.median(repeat(call, seconds / 2));
        Operation operation = Operation.of(call, median, peak);
        return new Measured(
                recorded.name(),
                calls,
                median,
                median,
                operation.gflops(),
                operation.gigabytesPerSecond(),
                operation.gflops() / peak.gflops(call.precision()),
                operation.rooflineFraction());
    }

    /** Seconds of each call, at least three. */
    private static List<Double> repeat(Call call, double seconds) {
        List<Double> each = new ArrayList<>();
        long until = System.nanoTime() + (long) (seconds * 1e9);
        do {
            long start = System.nanoTime();
            call.invoke(call.target());
            each.add((System.nanoTime() - start) * 1e-9);
        } while (System.nanoTime() < until || each.size() < 3);
        return each;
    }

    /** Several forks as one: the fork with the median time of each operation, and its slowest one. */
    public static Result merge(List<Result> forks) {
        Result first = forks.getFirst();
        List<Measured> operations = new ArrayList<>();
        for (Measured operation : first.operations) {
            List<Measured> same = forks.stream()
                    .flatMap(fork -> fork.operations.stream())
                    .filter(other -> other.name.equals(operation.name))
                    .sorted(Comparator.comparingDouble(Measured::seconds))
                    .toList();
            Measured median = same.get(same.size() / 2);
            operations.add(new Measured(
                    median.name,
                    median.calls,
                    median.seconds,
                    same.getLast().seconds,
                    median.gflops,
                    median.gigabytesPerSecond,
                    median.peakFraction,
                    median.rooflineFraction));
        }
        Result middle = forks.stream()
                .sorted(Comparator.comparingDouble(Result::tokensPerSecond))
                .toList()
                .get(forks.size() / 2);
        return new Result(
                first.workload,
                middle.tokensPerSecond,
                middle.gflops,
                middle.peakFraction,
                first.kernels,
                first.precision,
                first.threads,
                forks.stream().mapToLong(Result::peakMemoryBytes).max().orElse(0),
                forks.size(),
                middle.peak,
                operations);
    }
}
