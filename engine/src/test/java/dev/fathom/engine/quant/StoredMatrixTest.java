package dev.fathom.engine.quant;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.engine.BatchInvariance;
import dev.fathom.engine.DType;
import dev.fathom.engine.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class StoredMatrixTest {
    /** Of each kind, with blocks of 128 x 128 that are whole and not. */
    private static List<StoredMatrix> matrices() {
        Random random = new Random(4);
        List<StoredMatrix> matrices = new ArrayList<>();
        for (QuantizedType type : QuantizedType.values()) {
            matrices.add(StoredTestWeights.random(type, 300, type.blockSize() == 1 ? 37 : type.blockSize(), random));
        }
        matrices.add(StoredTestWeights.randomFloat8(300, 200, random));
        matrices.add(StoredTestWeights.randomFloat8(256, 128, random));
        return matrices;
    }

    @Test
    void someRowsAreTheSameAloneAndInAView() {
        for (StoredMatrix matrix : matrices()) {
            int[][] whole = decode(matrix, 0, matrix.rows());
            for (long[] range : new long[][] {{0, 256}, {128, 90}, {1, 1}, {130, 126}, {255, 1}, {7, 0}}) {
                long from = range[0];
                int[][] expected = Arrays.copyOfRange(whole, (int) from, (int) (from + range[1]));
                assertThat(decode(matrix, from, range[1])).as("%s", matrix).isEqualTo(expected);
                StoredMatrix rows = matrix.rows(from, range[1]);
                assertThat(decode(rows, 0, rows.rows())).as("%s", matrix).isEqualTo(expected);
            }
            assertThatThrownBy(() -> matrix.rows(250, 51)).isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> matrix.decode(-1, 1, Tensor.zeros(DType.F32, 1, matrix.columns())))
                    .isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> matrix.decode(0, 2, Tensor.zeros(DType.F32, 1, matrix.columns())))
                    .hasMessageContaining("target must be F32 [2, " + matrix.columns() + "]");
        }
    }

    /** The bits of some rows, decoded into columns of a wider tensor that stays as it is beside them. */
    private static int[][] decode(StoredMatrix matrix, long from, long count) {
        Tensor wide = Tensor.zeros(DType.F32, count, matrix.columns() + 3);
        matrix.decode(from, count, wide.columns(1, 1 + matrix.columns()));
        for (long r = 0; r < count; r++) {
            assertThat(wide.get(r, 0)).isZero();
            assertThat(wide.get(r, matrix.columns() + 1)).isZero();
        }
        return BatchInvariance.rows(wide.columns(1, 1 + matrix.columns()));
    }

    @Test
    void otherSizesAreRefused() {
        MemorySegment data = Arena.ofAuto().allocate(68);
        assertThatThrownBy(() -> new StoredMatrix.Blocks(QuantizedType.Q8_0, data, 3, 32))
                .hasMessage("data must be 102 bytes of native memory, is 68");
        assertThatThrownBy(
                        () -> new StoredMatrix.Blocks(QuantizedType.Q8_0, MemorySegment.ofArray(new byte[68]), 2, 32))
                .hasMessage("data must be 68 bytes of native memory, is 68 of the Java heap");
        assertThatThrownBy(() -> new StoredMatrix.Blocks(QuantizedType.Q8_0, data, 2, 33))
                .hasMessage("33 elements are no whole number of Q8_0 blocks of 32");
        assertThatThrownBy(() -> new StoredMatrix.Float8Blocks(data, data, 2, 34))
                .hasMessage("scales must be 4 bytes of native memory, is 68");
        // Products that would not end, and a product of sizes that is right by chance.
        MemorySegment nothing = data.asSlice(0, 0);
        assertThatThrownBy(() -> new StoredMatrix.Blocks(QuantizedType.F32, nothing, 4, 0))
                .hasMessage("a stored matrix needs columns, and rows or none, is [4, 0]");
        assertThatThrownBy(() -> new StoredMatrix.Float8Blocks(data, data.asSlice(0, 4), -2, -34))
                .hasMessage("a stored matrix needs columns, and rows or none, is [-2, -34]");
    }
}
