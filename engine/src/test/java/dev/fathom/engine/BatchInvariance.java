package dev.fathom.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.Random;

/**
 * The property behind zero mismatch between sampling and training: a row's result has the same bits whatever else is in the
 * batch. Every implementation of {@link Gemm} is checked with it, and a deliberately broken one to see that it can fail.
 */
public final class BatchInvariance {
    private BatchInvariance() {}

    /** Throws an AssertionError if a row's forward or backward bits depend on its batch or place. */
    public static void check(Gemm gemm, int outputs, int inputs, int... batchSizes) {
        Random random = new Random(31L * outputs + inputs);
        int most = Arrays.stream(batchSizes).max().orElseThrow();
        Tensor weights = GemmTestCase.random(random, 3, outputs, inputs);
        Tensor x = GemmTestCase.random(random, most, inputs);
        Tensor dy = GemmTestCase.random(random, most, outputs);
        Gemm.Packed packed = gemm.pack(weights);
        int[][] y = rows(forward(gemm, packed, x, new RowGroups(new int[] {0, 0, most, most})));
        int[][] dx = rows(backward(gemm, packed, dy, new RowGroups(new int[] {0, 0, most, most})));
        for (int size : batchSizes) {
            for (int from : new int[] {0, (most - size) / 2, most - size}) {
                // Alone in the middle group, then with rows of the other groups before and behind.
                RowGroups alone = new RowGroups(new int[] {0, 0, size, size});
                compare(gemm, "y", y, from, rows(forward(gemm, packed, x.rows(from, from + size), alone)), size);
                compare(gemm, "dx", dx, from, rows(backward(gemm, packed, dy.rows(from, from + size), alone)), size);
                int before = Math.min(from, 1 + random.nextInt(20));
                int behind = Math.min(most - from - size, random.nextInt(20));
                RowGroups among = new RowGroups(new int[] {0, before, before + size, before + size + behind});
                Tensor part = x.rows(from - before, from + size + behind);
                int[][] found = rows(forward(gemm, packed, part, among));
                compare(gemm, "y", y, from, Arrays.copyOfRange(found, before, before + size), size);
            }
        }
    }

    private static Tensor forward(Gemm gemm, Gemm.Packed packed, Tensor x, RowGroups groups) {
        Tensor y = Tensor.zeros(DType.F32, groups.rows(), packed.outputs());
        gemm.forward(x, groups, packed, y);
        return y;
    }

    private static Tensor backward(Gemm gemm, Gemm.Packed packed, Tensor dy, RowGroups groups) {
        Tensor dx = Tensor.zeros(DType.F32, groups.rows(), packed.inputs());
        gemm.backwardInput(dy, groups, packed, dx, false);
        return dx;
    }

    private static void compare(Gemm gemm, String name, int[][] whole, int from, int[][] part, int size) {
        for (int r = 0; r < size; r++) {
            assertThat(part[r])
                    .as("%s: %s of row %d in a batch of %d", gemm.name(), name, from + r, size)
                    .isEqualTo(whole[from + r]);
        }
    }

    /** The bits of each row: {@code assertThat(float)} would take 0 and -0 for equal. */
    public static int[][] rows(Tensor tensor) {
        int columns = Math.toIntExact(tensor.columns());
        float[] values = tensor.toFloats();
        int[][] rows = new int[Math.toIntExact(tensor.rows())][columns];
        for (int i = 0; i < values.length; i++) {
            rows[i / columns][i % columns] = Float.floatToRawIntBits(values[i]);
        }
        return rows;
    }

    public static int[] bits(float[] values) {
        int[] bits = new int[values.length];
        for (int i = 0; i < values.length; i++) {
            bits[i] = Float.floatToRawIntBits(values[i]);
        }
        return bits;
    }
}
