package dev.fathom.bench;

import dev.fathom.engine.Engine;
import dev.fathom.engine.Kernels;
import dev.fathom.engine.Precision;
import dev.fathom.engine.ReferenceKernels;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Every kernel of a training step and of sampling, vector beside scalar: on the operands of a real step, the largest call of each. Scalar is
 * {@link ReferenceKernels}, the equations in double.
 *
 * <pre>{@code bench/jmh KernelBenchmark -p kernel=rmsNorm,attention -p threads=2}</pre>
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(5) // vector code is bimodal: look at every fork
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
public class KernelBenchmark {
    /** KernelBenchmarkTest checks that none is missing. */
    @Param({
        "embedding", "embeddingBackward", "rmsNorm", "rmsNormBackward", "rope", "storeKeys", "storeKeysBackward",
        "storeValues", "storeValuesBackward", "attention", "attentionBackward", "swiGlu", "swiGluBackward", "route",
        "routeBackward", "sortByExpert", "gather", "gatherBackward", "combine", "combineBackward", "logProbs",
        "sample", "scaleRows", "sumOfSquares", "adamW"
    })
    public String kernel = "rmsNorm";

    @Param
    public Implementation implementation = Implementation.VECTOR;

    @Param({"1"})
    public int threads = 1;

    /** Whose step; {@code tiny} to see that it works. */
    @Param({"w2"})
    public String workload = "w2";

    public enum Implementation {
        VECTOR,
        SCALAR
    }

    private @Nullable Engine engine;
    private @Nullable Call call;
    private @Nullable Kernels kernels;

    @Setup
    public void setUp() {
        Engine opened = Engine.vector(Precision.F32, threads);
        engine = opened;
        Call found = largestCalls(Workload.training(workload), opened).get(kernel);
        if (found == null) {
            throw new IllegalArgumentException("no step of " + workload + " calls " + kernel);
        }
        call = found;
        kernels = implementation == Implementation.SCALAR ? new ReferenceKernels() : opened.kernels();
    }

    /** Of each kernel the call with the most bytes. A sixteenth of a step: scalar attention over all of it would take minutes. */
    static Map<String, Call> largestCalls(Workload workload, Engine engine) {
        Workload part = workload.withSequences(Math.max(1, workload.sequences() / 16));
        List<RecordedOperations.Recorded> recorded = new ArrayList<>();
        recorded.addAll(RecordedOperations.ofTraining(part, engine));
        recorded.addAll(RecordedOperations.ofRollout(part.rollout(), engine));
        Map<String, Call> largest = new LinkedHashMap<>();
        recorded.stream()
                .map(RecordedOperations.Recorded::call)
                .filter(call -> !call.isProduct())
                .sorted(Comparator.comparingDouble(Call::bytes).reversed())
                .forEach(call -> largest.putIfAbsent(call.method().getName(), call));
        return largest;
    }

    @TearDown
    public void tearDown() {
        if (engine != null) {
            engine.close();
        }
    }

    @Benchmark
    public @Nullable Object run() {
        return call == null || kernels == null ? null : call.invoke(kernels);
    }
}
