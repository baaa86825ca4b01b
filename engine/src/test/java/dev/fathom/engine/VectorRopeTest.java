package dev.fathom.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@link VectorRope} against {@link ReferenceAttention#rope}. */
class VectorRopeTest {
    private static RopeTable table(int pairs) {
        double[] frequencies = new double[pairs];
        for (int i = 0; i < pairs; i++) {
            frequencies[i] = StrictMath.pow(10000, -(double) i / pairs);
        }
        return RopeTable.of(frequencies, 300);
    }

    private static Tensor positions(Random random, int rows) {
        Tensor positions = Tensor.zeros(DType.I32, rows);
        for (int r = 0; r < rows; r++) {
            positions.setInt(0, r, random.nextInt(300));
        }
        return positions;
    }

    @ParameterizedTest
    @CsvSource({"1,1,2,0", "3,8,48,32", "1,8,16,0", "4,5,24,3", "2,13,64,38", "4,32,64,0", "130,8,17,1"})
    void rotatesLikeTheReferenceAndBack(int heads, int pairs, int headDim, int offset) {
        Random random = new Random(31);
        int rows = 37;
        Tensor positions = positions(random, rows);
        RopeTable table = table(pairs);
        Tensor x = AttentionCase.gaussian(random, rows, (long) heads * headDim);
        Tensor expected = Tensor.zeros(DType.F32, rows, (long) heads * headDim);
        Tensor before = Tensor.zeros(DType.F32, rows, (long) heads * headDim);
        expected.copyFrom(x);
        before.copyFrom(x);
        try (WorkerPool pool = new WorkerPool(2)) {
            VectorRope rope = new VectorRope(pool, new VectorRows(pool));
            rope.rope(x, heads, headDim, offset, positions, table, false);
            ReferenceAttention.rope(expected, heads, headDim, offset, positions, table, false);
            assertThat(x.toFloats()).usingComparatorWithPrecision(1e-6f).containsExactly(expected.toFloats());
            rope.rope(x, heads, headDim, offset, positions, table, true);
            assertThat(x.toFloats()).usingComparatorWithPrecision(2e-6f).containsExactly(before.toFloats());
        }
    }

    @ParameterizedTest
    @CsvSource({"1,1,2,0", "3,8,48,32", "1,8,16,0", "4,5,24,3", "2,13,64,38", "4,32,64,0", "130,17,35,1"})
    void rotatesHalvesLikeTheReferenceAndBack(int heads, int pairs, int headDim, int offset) {
        Random random = new Random(34);
        int rows = 37;
        Tensor positions = positions(random, rows);
        RopeTable table = table(pairs);
        Tensor x = AttentionCase.gaussian(random, rows, (long) heads * headDim);
        Tensor expected = Tensors.copy(x);
        Tensor before = Tensors.copy(x);
        try (WorkerPool pool = new WorkerPool(2)) {
            VectorRope rope = new VectorRope(pool, new VectorRows(pool));
            rope.ropeHalves(x, heads, headDim, offset, positions, table, false);
            ReferenceAttention.ropeHalves(expected, heads, headDim, offset, positions, table, false);
            assertThat(x.toFloats()).usingComparatorWithPrecision(1e-6f).containsExactly(expected.toFloats());
            rope.ropeHalves(x, heads, headDim, offset, positions, table, true);
            assertThat(x.toFloats()).usingComparatorWithPrecision(2e-6f).containsExactly(before.toFloats());
        }
    }

    /** Halves are interleaved pairs in another order, to the bit. */
    @Test
    void halvesAreInterleavedPairsReordered() {
        Random random = new Random(35);
        int rows = 40;
        int pairs = 21;
        Tensor positions = positions(random, rows);
        Tensor halves = AttentionCase.gaussian(random, rows, 2 * pairs);
        Tensor interleaved = Tensor.zeros(DType.F32, rows, 2 * pairs);
        reorder(halves, interleaved, pairs);
        try (WorkerPool pool = new WorkerPool(2)) {
            new VectorRope(pool, new VectorRows(pool))
                    .ropeHalves(halves, 1, 2 * pairs, 0, positions, table(pairs), false);
            new VectorRope(pool, new VectorRows(pool))
                    .rope(interleaved, 1, 2 * pairs, 0, positions, table(pairs), false);
        }
        Tensor expected = Tensor.zeros(DType.F32, rows, 2 * pairs);
        reorder(halves, expected, pairs);
        assertThat(AttentionCase.bits(interleaved)).isEqualTo(AttentionCase.bits(expected));
    }

    private static void reorder(Tensor halves, Tensor interleaved, int pairs) {
        for (long r = 0; r < halves.rows(); r++) {
            for (long i = 0; i < pairs; i++) {
                interleaved.set(r, 2 * i, halves.get(r, i));
                interleaved.set(r, 2 * i + 1, halves.get(r, i + pairs));
            }
        }
    }

    /** A pair in a vector and the same pair in the scalar tail, alone or among others: the same bits. */
    @Test
    void bitsDoNotDependOnThePlace() {
        Random random = new Random(32);
        int rows = 40;
        Tensor positions = positions(random, rows);
        RopeTable wide = table(21);
        Tensor x = AttentionCase.gaussian(random, rows, 42);
        Tensor narrow = Tensor.zeros(DType.F32, rows, 2);
        int pair = 1;
        RopeTable single =
                new RopeTable(wide.cos().columns(pair, pair + 1), wide.sin().columns(pair, pair + 1));
        narrow.copyFrom(x.columns(2 * pair, 2 * pair + 2));
        try (WorkerPool pool = new WorkerPool(2)) {
            new VectorRope(pool, new VectorRows(pool)).rope(x, 1, 42, 0, positions, wide, false);
            new VectorRope(pool, new VectorRows(pool)).rope(narrow, 1, 2, 0, positions, single, false);
        }
        assertThat(AttentionCase.bits(narrow)).isEqualTo(AttentionCase.bits(x.columns(2 * pair, 2 * pair + 2)));
    }

    /** What the rotation is for: the product of a rotated query and key depends on the distance of their positions. */
    @Test
    void productsDependOnDistance() {
        Random random = new Random(33);
        Tensor q = AttentionCase.gaussian(random, 1, 16);
        Tensor k = AttentionCase.gaussian(random, 1, 16);
        double near = rotatedProduct(q, 7, k, 3);
        assertThat(rotatedProduct(q, 207, k, 203)).isCloseTo(near, within(1e-4));
        assertThat(Math.abs(rotatedProduct(q, 7, k, 4) - near)).isGreaterThan(1e-2);
    }

    private static double rotatedProduct(Tensor q, int qPosition, Tensor k, int kPosition) {
        Tensor both = Tensor.zeros(DType.F32, 2, 16);
        both.rows(0, 1).copyFrom(q);
        both.rows(1, 2).copyFrom(k);
        Tensor positions = Tensor.zeros(DType.I32, 2);
        positions.setInt(0, 0, qPosition);
        positions.setInt(0, 1, kPosition);
        try (WorkerPool pool = new WorkerPool(1)) {
            new VectorRope(pool, new VectorRows(pool)).rope(both, 1, 16, 0, positions, table(8), false);
        }
        double product = 0;
        for (int d = 0; d < 16; d++) {
            product += (double) both.get(0, d) * both.get(1, d);
        }
        return product;
    }

    @Test
    void refusesPositionsOutsideTheTable() {
        Tensor positions = Tensor.zeros(DType.I32, 2);
        positions.setInt(0, 1, 300);
        Tensor x = Tensor.zeros(DType.F32, 2, 16);
        try (WorkerPool pool = new WorkerPool(1)) {
            assertThatThrownBy(() ->
                            new VectorRope(pool, new VectorRows(pool)).rope(x, 1, 16, 0, positions, table(8), false))
                    .hasMessageContaining("position 300 of row 1 is outside the table's 0..299");
        }
    }
}
