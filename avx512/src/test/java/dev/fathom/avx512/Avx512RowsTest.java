package dev.fathom.avx512;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.fathom.engine.DType;
import dev.fathom.engine.Kernels;
import dev.fathom.engine.Precision;
import dev.fathom.engine.RopeTable;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.VectorKernels;
import dev.fathom.engine.WorkerPool;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.function.BiConsumer;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** {@link Avx512Rows} against the Vector API, to the bit, over odd sizes, views and types; what lies beside a result stays as it is. */
class Avx512RowsTest {
    private static final int ROUNDS = 150;

    private final Random random = new Random(7);

    @Test
    void addBias() {
        for (int round = 0; round < ROUNDS; round++) {
            int width = width();
            long rows = rows();
            Tensor bias = numbers(1, 1, width).reshape(width);
            compare(
                    () -> numbers(2, rows, width + 5),
                    (kernels, wide) -> kernels.addBias(wide.columns(2, 2 + width), bias));
        }
    }

    @Test
    void rmsNorm() {
        for (int round = 0; round < ROUNDS; round++) {
            int width = width();
            long rows = rows();
            boolean adds = random.nextBoolean();
            DType type = type();
            Tensor x = numbers(1, rows, width + 3).columns(3, 3 + width);
            Tensor residual = numbers(2, rows, width + 1).columns(0, width);
            Tensor weight = numbers(3, 1, width).reshape(width);
            Tensor[] sums = {numbers(4, rows, width + 9), numbers(4, rows, width + 9)};
            Tensor[] inverses = {Tensor.zeros(DType.F32, rows), Tensor.zeros(DType.F32, rows)};
            int[] calls = {0};
            compare(() -> typed(type, rows, width + 5), (kernels, wide) -> {
                int call = calls[0]++;
                kernels.rmsNorm(
                        x,
                        adds ? residual : null,
                        weight,
                        1e-6f,
                        adds ? sums[call].columns(4, 4 + width) : null,
                        wide.columns(2, 2 + width),
                        inverses[call]);
            });
            assertThat(bits(sums[1])).isEqualTo(bits(sums[0]));
            assertThat(bits(inverses[1])).isEqualTo(bits(inverses[0]));
        }
    }

    @Test
    void rmsNormOfHeads() {
        for (int round = 0; round < ROUNDS; round++) {
            int width = width();
            int heads = 1 + random.nextInt(4);
            long rows = rows();
            Tensor x = numbers(1, rows, heads * width + 3).columns(1, 1 + heads * width);
            Tensor weight = numbers(2, 1, width).reshape(width);
            Tensor[] inverses = {Tensor.zeros(DType.F32, rows, heads), Tensor.zeros(DType.F32, rows, heads)};
            int[] calls = {0};
            compare(
                    () -> numbers(3, rows, heads * width + 2),
                    (kernels, wide) -> kernels.rmsNormHeads(
                            x, heads, weight, 1e-5f, wide.columns(1, 1 + heads * width), inverses[calls[0]++]));
            assertThat(bits(inverses[1])).isEqualTo(bits(inverses[0]));
        }
    }

    @Test
    void rotationOfNeighbours() {
        rotation(Kernels::rope);
    }

    @Test
    void rotationOfHalves() {
        rotation(Kernels::ropeHalves);
    }

    private interface Rotation {
        void rotate(
                Kernels kernels,
                Tensor x,
                int heads,
                int headDim,
                int offset,
                Tensor positions,
                RopeTable table,
                boolean inverse);
    }

    private void rotation(Rotation rotation) {
        for (int round = 0; round < ROUNDS; round++) {
            int pairs = 1 + random.nextInt(70);
            int offset = random.nextInt(4);
            int headDim = offset + 2 * pairs + random.nextInt(3);
            int heads = 1 + random.nextInt(4);
            int rows = (int) rows();
            boolean inverse = random.nextBoolean();
            RopeTable table = RopeTable.of(random.doubles(pairs, 0, 1).toArray(), 40);
            Tensor positions = Tensor.of(random.ints(rows, 0, 40).toArray());
            compare(
                    () -> numbers(5, rows, (long) heads * headDim + 3),
                    (kernels, wide) -> rotation.rotate(
                            kernels,
                            wide.columns(2, 2 + (long) heads * headDim),
                            heads,
                            headDim,
                            offset,
                            positions,
                            table,
                            inverse));
        }
    }

    @Test
    void swiGlu() {
        for (int round = 0; round < ROUNDS; round++) {
            int width = width();
            long rows = rows();
            DType type = type();
            DType outType = type();
            Tensor gateUp = typed(type, rows, 2 * width + 3);
            extremes(gateUp);
            compare(
                    () -> typed(outType, rows, width + 5),
                    (kernels, wide) -> kernels.swiGlu(gateUp.columns(1, 1 + 2 * width), wide.columns(2, 2 + width)));
        }
    }

    @Test
    void swiGluBackward() {
        for (int round = 0; round < ROUNDS; round++) {
            int width = width();
            long rows = rows();
            DType type = type();
            DType gradientType = type();
            Tensor dOut = numbers(12, rows, width + 4).columns(3, 3 + width);
            Tensor gateUp = typed(type, rows, 2 * width + 3);
            extremes(gateUp);
            compare(
                    () -> typed(gradientType, rows, 2 * width + 5),
                    (kernels, wide) -> kernels.swiGluBackward(
                            dOut, gateUp.columns(1, 1 + 2 * width), wide.columns(2, 2 + 2 * width)));
        }
    }

    @Test
    void combineBackward() {
        for (int round = 0; round < ROUNDS; round++) {
            int width = width();
            int tokens = (int) rows();
            int topK = 1 + random.nextInt(4);
            int rows = tokens * topK + random.nextInt(3);
            DType type = type();
            Tensor dy = numbers(13, tokens, width + 4).columns(1, 1 + width);
            Tensor expertOut = numbers(14, rows, width + 2).columns(2, 2 + width);
            Tensor gates = numbers(15, tokens, topK);
            List<Integer> order =
                    new ArrayList<>(IntStream.range(0, rows).boxed().toList());
            Collections.shuffle(order, random);
            Tensor rowOf = Tensor.of(order.stream()
                            .limit((long) tokens * topK)
                            .mapToInt(i -> i)
                            .toArray())
                    .reshape(tokens, topK);
            Tensor[] dGates = {numbers(16, tokens, topK), numbers(16, tokens, topK)};
            int[] calls = {0};
            compare(
                    () -> typed(type, rows, width + 5),
                    (kernels, wide) -> kernels.combineBackward(
                            dy, expertOut, rowOf, gates, wide.columns(2, 2 + width), dGates[calls[0]++]));
            assertThat(bits(dGates[1])).isEqualTo(bits(dGates[0]));
        }
    }

    @Test
    void logProbs() {
        for (int round = 0; round < ROUNDS; round++) {
            int width = 1 + random.nextInt(900);
            int rows = (int) rows();
            float inverseTemperature = random.nextBoolean() ? 1 : 0.7f;
            boolean slopes = random.nextBoolean();
            Tensor targets = Tensor.of(random.ints(rows, -1, width).toArray());
            Tensor logits = logits(rows, width);
            Tensor[] entropies = {Tensor.zeros(DType.F32, rows), Tensor.zeros(DType.F32, rows)};
            Tensor[] slopesOf = {Tensor.zeros(DType.F32, rows, width), Tensor.zeros(DType.F32, rows, width)};
            Tensor[] scales = {Tensor.zeros(DType.F32, rows), Tensor.zeros(DType.F32, rows)};
            int[] calls = {0};
            compare(() -> Tensor.zeros(DType.F32, rows), (kernels, out) -> {
                int call = calls[0]++;
                Tensor own = Tensor.zeros(DType.F32, rows, width);
                own.copyFrom(logits);
                kernels.logProbs(
                        own,
                        targets,
                        inverseTemperature,
                        out,
                        entropies[call],
                        slopes ? slopesOf[call] : null,
                        slopes ? scales[call] : null);
            });
            assertThat(bits(entropies[1])).isEqualTo(bits(entropies[0]));
            assertThat(bits(slopesOf[1])).isEqualTo(bits(slopesOf[0]));
            assertThat(bits(scales[1])).isEqualTo(bits(scales[0]));
        }
    }

    @Test
    void sample() {
        for (int round = 0; round < ROUNDS; round++) {
            int width = random.nextInt(4) == 0 ? 256 * (1 + random.nextInt(3)) : 1 + random.nextInt(900);
            int rows = (int) rows();
            Tensor logits = logits(rows, width);
            Tensor temperatures = Tensor.zeros(DType.F32, rows);
            Tensor uniforms = Tensor.zeros(DType.F32, rows);
            for (int r = 0; r < rows; r++) {
                temperatures.set(0, r, random.nextInt(3) * 0.6f);
                uniforms.set(0, r, random.nextFloat());
            }
            Tensor[] tokens = {Tensor.zeros(DType.I32, rows), Tensor.zeros(DType.I32, rows)};
            int[] calls = {0};
            compare(
                    () -> Tensor.zeros(DType.F32, rows),
                    (kernels, out) -> kernels.sample(logits, temperatures, uniforms, tokens[calls[0]++], out));
            assertThat(tokens[1].toInts()).isEqualTo(tokens[0].toInts());
        }
    }

    /** Some are left out, and in some rows the largest occurs more than once. */
    private Tensor logits(int rows, int width) {
        Tensor logits = numbers(random.nextLong(), rows, width);
        for (int i = 0; i < width / 3; i++) {
            logits.set(random.nextInt(rows), random.nextInt(width), Float.NEGATIVE_INFINITY);
        }
        for (int r = 0; r < rows; r++) {
            for (int i = 0; i < random.nextInt(4); i++) {
                logits.set(r, random.nextInt(width), 20);
            }
            logits.set(r, random.nextInt(width), 1);
        }
        return logits;
    }

    /** Both implementations on the same numbers. */
    private void compare(Supplier<Tensor> target, BiConsumer<Kernels, Tensor> operation) {
        String reason = new Avx512Provider().unavailable(Precision.BF16);
        assumeTrue(reason.isEmpty(), reason);
        Tensor expected = target.get();
        Tensor actual = target.get();
        try (WorkerPool pool = new WorkerPool(1 + random.nextInt(2))) {
            operation.accept(new VectorKernels(pool), expected);
            operation.accept(new VectorKernels(pool, new Avx512Attention(pool), new Avx512Rows()), actual);
        }
        assertThat(bits(actual)).isEqualTo(bits(expected));
    }

    private int width() {
        return 1 + random.nextInt(random.nextInt(8) == 0 ? 700 : 70);
    }

    /** Now and then so many that every operation divides them into blocks. */
    private long rows() {
        return random.nextInt(12) == 0 ? 1_200 : 1 + random.nextInt(9);
    }

    private DType type() {
        return random.nextBoolean() ? DType.F32 : DType.BF16;
    }

    private Tensor typed(DType type, long rows, long columns) {
        Tensor floats = numbers(11, rows, columns);
        if (type == DType.F32) {
            return floats;
        }
        Tensor rounded = Tensor.zeros(DType.BF16, rows, columns);
        for (long r = 0; r < rows; r++) {
            for (long c = 0; c < columns; c++) {
                rounded.set(r, c, floats.get(r, c));
            }
        }
        return rounded;
    }

    /** Large numbers, infinities and zeros among the others: what the sigmoid must survive. */
    private void extremes(Tensor x) {
        float[] values = {0f, -0f, 88.8f, -88.8f, 104.5f, -104.5f, 1e30f, -1e30f, Float.POSITIVE_INFINITY};
        for (float value : values) {
            x.set(random.nextLong(x.rows()), random.nextLong(x.columns()), value);
        }
    }

    /** The same for the same seed. */
    private static Tensor numbers(long seed, long rows, long columns) {
        Random numbers = new Random(seed);
        Tensor tensor = Tensor.zeros(DType.F32, rows, columns);
        for (long r = 0; r < rows; r++) {
            for (long c = 0; c < columns; c++) {
                tensor.set(r, c, (float) (3 * numbers.nextGaussian()));
            }
        }
        return tensor;
    }

    private static int[] bits(Tensor tensor) {
        int[] bits = new int[Math.toIntExact(tensor.size())];
        int i = 0;
        for (long r = 0; r < tensor.rows(); r++) {
            for (long c = 0; c < tensor.columns(); c++) {
                bits[i++] = Float.floatToIntBits(tensor.get(r, c));
            }
        }
        return bits;
    }
}
