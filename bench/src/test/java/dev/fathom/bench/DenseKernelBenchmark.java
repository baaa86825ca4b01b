package dev.fathom.bench;

import dev.fathom.engine.DType;
import dev.fathom.engine.Kernels;
import dev.fathom.engine.RopeTable;
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
 * What Llama, Qwen and GPT-2 need beside the kernels of {@link KernelBenchmark}, two of them beside the loop one would write. A width
 * that no vector divides (765) also takes the tails.
 *
 * <pre>{@code bench/jmh DenseKernelBenchmark -p threads=2}</pre>
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(5) // vector code is bimodal: look at every fork
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
public class DenseKernelBenchmark {
    private static final int ROWS = 1024;
    private static final int HEAD_DIM = 64;

    @Param({"768", "765"})
    public int width = 768;

    @Param({"1"})
    public int threads = 1;

    private Tensor x = Tensor.zeros(DType.F32, 1, 1);
    private Tensor dy = x;
    private Tensor out = x;
    private Tensor heads = x;
    private Tensor vector = x;
    private Tensor gradient = x;
    private Tensor mean = x;
    private Tensor inverse = x;
    private Tensor headInverse = x;
    private final Tensor headWeight = Operands.random(4, HEAD_DIM);
    private final Tensor positions = Tensor.zeros(DType.I32, ROWS);
    private RopeTable table = new RopeTable(x, x);
    private WorkerPool pool = new WorkerPool(1);
    private Kernels kernels = new VectorKernels(pool);

    /** After the parameters are known. */
    @Setup
    public void setUp() {
        pool.close();
        pool = new WorkerPool(threads);
        kernels = new VectorKernels(pool);
        x = Operands.random(1, ROWS, width);
        dy = Operands.random(2, ROWS, width);
        out = Tensor.zeros(DType.F32, ROWS, width);
        heads = Operands.random(5, ROWS, 12 * HEAD_DIM);
        vector = Operands.random(3, width);
        gradient = Tensor.zeros(DType.F32, width);
        mean = Tensor.zeros(DType.F32, ROWS);
        inverse = Tensor.zeros(DType.F32, ROWS);
        headInverse = Tensor.zeros(DType.F32, ROWS, 12);
        double[] frequencies = new double[HEAD_DIM / 2];
        Arrays.setAll(frequencies, i -> Math.pow(10_000, -2.0 * i / HEAD_DIM));
        table = RopeTable.of(frequencies, 256);
        for (int n = 0; n < ROWS; n++) {
            positions.setInt(0, n, n % 256);
        }
    }

    @TearDown
    public void tearDown() {
        pool.close();
    }

    @Benchmark
    public Tensor layerNorm() {
        kernels.layerNorm(x, null, vector, vector, 1e-5f, null, out, mean, inverse);
        return out;
    }

    @Benchmark
    public Tensor layerNormWithResidual() {
        kernels.layerNorm(x, dy, vector, vector, 1e-5f, out, out, mean, inverse);
        return out;
    }

    @Benchmark
    public Tensor layerNormScalar() {
        for (int r = 0; r < ROWS; r++) {
            float sum = 0;
            for (int c = 0; c < width; c++) {
                sum += x.get(r, c);
            }
            float average = sum / width;
            float squares = 0;
            for (int c = 0; c < width; c++) {
                squares = Math.fma(x.get(r, c) - average, x.get(r, c) - average, squares);
            }
            float scale = (float) (1 / Math.sqrt(squares / width + 1e-5));
            for (int c = 0; c < width; c++) {
                out.set(r, c, vector.get(0, c) * (x.get(r, c) - average) * scale + vector.get(0, c));
            }
        }
        return out;
    }

    @Benchmark
    public Tensor layerNormBackward() {
        kernels.layerNormBackward(dy, x, vector, mean, inverse, out, gradient, gradient);
        return out;
    }

    @Benchmark
    public Tensor gelu() {
        kernels.gelu(x, vector, out);
        return out;
    }

    @Benchmark
    public Tensor geluScalar() {
        for (int r = 0; r < ROWS; r++) {
            for (int c = 0; c < width; c++) {
                double u = x.get(r, c) + vector.get(0, c);
                out.set(r, c, (float) (0.5 * u * (1 + Math.tanh(0.7978845608 * (u + 0.044715 * u * u * u)))));
            }
        }
        return out;
    }

    @Benchmark
    public Tensor geluBackward() {
        kernels.geluBackward(dy, x, vector, out);
        return out;
    }

    @Benchmark
    public Tensor addBias() {
        kernels.addBias(out, vector);
        return out;
    }

    @Benchmark
    public Tensor addBiasBackward() {
        kernels.addBiasBackward(dy, gradient);
        return gradient;
    }

    @Benchmark
    public Tensor rmsNormHeads() {
        kernels.rmsNormHeads(heads, 12, headWeight, 1e-6f, heads, headInverse);
        return heads;
    }

    @Benchmark
    public Tensor ropeHalves() {
        kernels.ropeHalves(heads, 12, HEAD_DIM, 0, positions, table, false);
        return heads;
    }
}
