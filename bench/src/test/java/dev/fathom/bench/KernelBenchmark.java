package dev.fathom.bench;

import dev.fathom.engine.DType;
import dev.fathom.engine.Kernels;
import dev.fathom.engine.KeyValueStore;
import dev.fathom.engine.Segments;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.VectorKernels;
import dev.fathom.engine.WorkerPool;
import java.util.Arrays;
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
 * The kernels that take the most time of a training step beside matrix products, two of them beside the loop one would write.
 *
 * <pre>{@code bench/jmh KernelBenchmark -p threads=2}</pre>
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(5) // vector code is bimodal: look at every fork
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
public class KernelBenchmark {
    private static final int ROWS = 2048;
    private static final int WIDTH = 128;
    private static final int HEADS = 4;
    private static final int KEY_DIM = 48;
    private static final int VALUE_DIM = 32;

    /** Tokens per sequence; as many sequences as make {@value #ROWS} rows. */
    @Param({"64", "256"})
    public int length = 64;

    @Param({"1"})
    public int threads = 1;

    private final Tensor x = Operands.random(1, ROWS, WIDTH);
    private final Tensor weight = Operands.random(2, WIDTH);
    private final Tensor out = Tensor.zeros(DType.F32, ROWS, WIDTH);
    private final Tensor inverseRms = Tensor.zeros(DType.F32, ROWS);
    private final Tensor gateUp = Operands.random(3, ROWS, 2 * WIDTH);
    private final Tensor queries = Operands.random(4, ROWS, HEADS * KEY_DIM);
    private final Tensor attended = Tensor.zeros(DType.F32, ROWS, HEADS * VALUE_DIM);
    private final Tensor logSumExp = Tensor.zeros(DType.F32, ROWS, HEADS);
    private final Tensor queryGradient = Tensor.zeros(DType.F32, ROWS, HEADS * KEY_DIM);
    private final KeyValueStore store = new KeyValueStore(
            Operands.random(5, ROWS / KeyValueStore.TILE, HEADS * KeyValueStore.TILE * (KEY_DIM + VALUE_DIM)),
            HEADS,
            KEY_DIM,
            VALUE_DIM);
    private final KeyValueStore storeGradient = KeyValueStore.allocate(ROWS, HEADS, KEY_DIM, VALUE_DIM);

    private WorkerPool pool = new WorkerPool(1);
    private Kernels kernels = new VectorKernels(pool);
    private Segments segments = Segments.packed(new int[0]);

    /** After the parameters are known. */
    @Setup
    public void setUp() {
        pool.close();
        pool = new WorkerPool(threads);
        kernels = new VectorKernels(pool);
        int[] lengths = new int[ROWS / length];
        Arrays.fill(lengths, length);
        segments = Segments.packed(lengths);
    }

    @TearDown
    public void tearDown() {
        pool.close();
    }

    @Benchmark
    public Tensor rmsNorm() {
        kernels.rmsNorm(x, null, weight, 1e-6f, null, out, inverseRms);
        return out;
    }

    @Benchmark
    public Tensor rmsNormScalar() {
        for (int r = 0; r < ROWS; r++) {
            float squares = 0;
            for (int c = 0; c < WIDTH; c++) {
                squares = Math.fma(x.get(r, c), x.get(r, c), squares);
            }
            float scale = (float) (1 / Math.sqrt(squares / WIDTH + 1e-6));
            for (int c = 0; c < WIDTH; c++) {
                out.set(r, c, weight.get(0, c) * x.get(r, c) * scale);
            }
        }
        return out;
    }

    @Benchmark
    public Tensor swiGlu() {
        kernels.swiGlu(gateUp, out);
        return out;
    }

    @Benchmark
    public Tensor swiGluScalar() {
        for (int r = 0; r < ROWS; r++) {
            for (int c = 0; c < WIDTH; c++) {
                float gate = gateUp.get(r, c);
                out.set(r, c, (float) (gate / (1 + Math.exp(-gate))) * gateUp.get(r, WIDTH + c));
            }
        }
        return out;
    }

    @Benchmark
    public Tensor attention() {
        kernels.attention(queries, HEADS, 0.144f, segments, store, attended, logSumExp);
        return attended;
    }

    @Benchmark
    public Tensor attentionBackward() {
        kernels.attentionBackward(
                attended, queries, attended, logSumExp, HEADS, 0.144f, segments, store, queryGradient, storeGradient);
        return queryGradient;
    }
}
