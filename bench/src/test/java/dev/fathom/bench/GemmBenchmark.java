package dev.fathom.bench;

import dev.fathom.engine.Engine;
import dev.fathom.engine.Engine.PrecisionChoice;
import dev.fathom.engine.Gemm;
import dev.fathom.engine.Precision;
import dev.fathom.engine.RowGroups;
import dev.fathom.engine.Tensor;
import java.util.concurrent.TimeUnit;
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
 * The three products of a linear layer, and the first of them as the loop one would write. {@code 2 * rows * inputs * outputs} FLOP each.
 *
 * <pre>{@code bench/jmh GemmBenchmark -p gemm=vector,onednn -p precision=BF16}</pre>
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(5) // vector code is bimodal: look at every fork
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
public class GemmBenchmark {
    @Param({"vector", "onednn"})
    public String gemm = "vector";

    @Param({"F32", "BF16"})
    public PrecisionChoice precision = PrecisionChoice.F32;

    @Param({"64", "2048"})
    public int rows = 2048;

    @Param({"128"})
    public int inputs = 128;

    @Param({"192"})
    public int outputs = 192;

    @Param({"1"})
    public int threads = 1;

    private Engine engine = Engine.vector(Precision.F32, 1);
    private Tensor x = Operands.random(1, 1, 1);
    private Tensor weights = x;
    private Tensor y = x;
    private Tensor gradient = x;
    private RowGroups groups = RowGroups.single(1);
    private Gemm.Packed packed = engine.gemm().pack(weights);

    @Setup
    public void setUp() {
        engine.close();
        engine = Engine.open(precision, gemm, threads);
        x = Operands.random(1, rows, inputs);
        weights = Operands.random(2, outputs, inputs);
        y = Operands.random(3, rows, outputs);
        gradient = Operands.random(4, outputs, inputs);
        groups = RowGroups.single(rows);
        packed = engine.gemm().pack(weights);
    }

    @TearDown
    public void tearDown() {
        engine.close();
    }

    @Benchmark
    public Tensor forward() {
        engine.gemm().forward(x, groups, packed, y);
        return y;
    }

    @Benchmark
    public Tensor backwardInput() {
        engine.gemm().backwardInput(y, groups, packed, x, false);
        return x;
    }

    @Benchmark
    public Tensor backwardWeight() {
        engine.gemm().backwardWeight(y, x, groups, gradient, true);
        return gradient;
    }

    @Benchmark
    public Tensor repack() {
        packed.refresh();
        return weights;
    }

    /** The forward product as a scalar loop, single-threaded and in f32 whatever the parameters say. */
    @Benchmark
    public Tensor forwardScalar() {
        for (int r = 0; r < rows; r++) {
            for (int o = 0; o < outputs; o++) {
                float sum = 0;
                for (int i = 0; i < inputs; i++) {
                    sum = Math.fma(x.get(r, i), weights.get(o, i), sum);
                }
                y.set(r, o, sum);
            }
        }
        return y;
    }
}
