package dev.fathom.bench;

import dev.fathom.engine.Engine;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;

/** Where the time of a step goes: an engine whose operations are timed call by call. */
final class OperationProfile implements Call.Listener {
    /** What is not an operation: the loops between them, the tape, reading the loss. */
    static final String BETWEEN = "between operations";

    private final Map<String, Operation> operations = new LinkedHashMap<>();
    private final MachinePeak peak;
    private double totalSeconds;
    private int runs;
    private boolean running;

    OperationProfile(MachinePeak peak) {
        this.peak = peak;
    }

    /** The same engine, watched by this profile. */
    Engine watch(Engine engine) {
        return Call.watch(engine, this);
    }

    @Override
    public void onCall(Call call, double seconds) {
        if (running) {
            add(Operation.of(call, seconds, peak));
        }
    }

    /** Adds an operation that is no call of the engine's kernels. */
    void add(Operation operation) {
        operations.merge(operation.name(), operation, Operation::plus);
    }

    /** Watches one step. */
    <T> T step(Callable<T> step) {
        running = true;
        long start = System.nanoTime();
        try {
            return step.call();
        } catch (RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new IllegalStateException(e);
        } finally {
            totalSeconds += (System.nanoTime() - start) * 1e-9;
            runs++;
            running = false;
        }
    }

    /** What a step is made of, most time first; calls and times are those of one step. */
    List<Share> shares() {
        List<Share> shares = new ArrayList<>();
        double rest = totalSeconds;
        for (Operation operation : operations.values()) {
            rest -= operation.seconds();
            shares.add(share(operation));
        }
        shares.add(new Share(BETWEEN, 0, rest / totalSeconds, rest / runs, 0, 0, 0, 0, 0));
        shares.sort(Comparator.comparingDouble(Share::seconds).reversed());
        return shares;
    }

    private Share share(Operation operation) {
        return new Share(
                operation.name(),
                operation.calls() / runs,
                operation.seconds() / totalSeconds,
                operation.seconds() / runs,
                operation.flops() / runs,
                operation.bytes() / runs,
                operation.gflops(),
                operation.gigabytesPerSecond(),
                operation.rooflineFraction());
    }

    /**
     * An operation's part of a step.
     *
     * @param calls in a step
     * @param share of the step's time, 0 to 1
     * @param seconds of a step
     * @param flops in a step
     * @param bytes of the tensors it names, each once, in a step
     * @param gflops 10^9 FLOP per second
     * @param gigabytesPerSecond 10^9 bytes per second
     * @param rooflineFraction least time at the machine's peaks over time taken; above 1 where operands come from caches
     */
    public record Share(
            String name,
            long calls,
            double share,
            double seconds,
            double flops,
            double bytes,
            double gflops,
            double gigabytesPerSecond,
            double rooflineFraction) {}
}
