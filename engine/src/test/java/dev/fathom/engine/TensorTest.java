package dev.fathom.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;

/** Views, strides, bounds and error texts of {@link Tensor}, and the {@link Workspace} that hands tensors out. */
class TensorTest {
    private static Tensor counting(long... shape) {
        Tensor tensor = Tensor.zeros(DType.F32, shape);
        for (long i = 0; i < tensor.size(); i++) {
            tensor.set(i / tensor.columns(), i % tensor.columns(), i);
        }
        return tensor;
    }

    @Test
    void shapeAndMatrixView() {
        Tensor tensor = counting(2, 3, 4);
        assertThat(tensor.rank()).isEqualTo(3);
        assertThat(tensor.rows()).isEqualTo(6);
        assertThat(tensor.columns()).isEqualTo(4);
        assertThat(tensor.size()).isEqualTo(24);
        assertThat(tensor.address() % Memory.ALIGNMENT).isZero();
        assertThat(tensor.get(5, 3)).isEqualTo(23);
        assertThat(tensor.reshape(4, 6).get(1, 1)).isEqualTo(7);
    }

    @Test
    void reservedMemoryIsZeroAndWritable() {
        for (long columns : new long[] {1, 1000, 100_003, 5_000_001}) {
            for (boolean large : new boolean[] {false, true}) {
                Tensor tensor = Tensor.reserve(DType.F32, large, 2, columns);
                assertThat(tensor.address() % Memory.ALIGNMENT).isZero();
                for (long at : new long[] {0, columns / 2, columns - 1}) {
                    tensor.set(1, at, 1 + tensor.get(0, at));
                    assertThat(tensor.get(1, at)).isEqualTo(1);
                }
                assertThat(tensor.get(0, columns - 1)).isZero();
            }
        }
    }

    @Test
    void rowsAndColumnsAreViewsOfTheSameMemory() {
        Tensor tensor = counting(5, 6);
        Tensor view = tensor.rows(1, 4).columns(2, 5);
        assertThat(view.rows()).isEqualTo(3);
        assertThat(view.rowStride()).isEqualTo(6);
        assertThat(view.isDense()).isFalse();
        assertThat(view.toFloats()).containsExactly(8, 9, 10, 14, 15, 16, 20, 21, 22);
        view.zero();
        assertThat(tensor.get(1, 2)).isZero();
        assertThat(tensor.get(1, 5)).isEqualTo(11);
        assertThat(tensor.get(4, 2)).isEqualTo(26);
        view.copyFrom(counting(3, 3));
        assertThat(tensor.get(3, 4)).isEqualTo(8);
        assertThat(tensor.rows(2, 3).columns(2, 5).isDense()).isTrue(); // one row has no gap
        assertThat(tensor.slice(6, 2, 3).toFloats()).startsWith(6, 7);
    }

    @Test
    void emptyTensorsAndViews() {
        Tensor empty = Tensor.zeros(DType.F32, 0, 7);
        assertThat(empty.rows()).isZero();
        assertThat(empty.toFloats()).isEmpty();
        assertThat(counting(3, 4).rows(3, 3).rows()).isZero();
        assertThat(counting(3, 4).columns(4, 4).size()).isZero();
    }

    @Test
    void whatIsOutOfBoundsIsNamed() {
        Tensor tensor = counting(3, 4);
        assertThatThrownBy(() -> tensor.get(3, 0)).hasMessage("[3, 0] of F32[3, 4]");
        assertThatThrownBy(() -> tensor.get(0, -1)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> tensor.rows(2, 4)).hasMessage("rows 2..4 of F32[3, 4]");
        assertThatThrownBy(() -> tensor.columns(3, 2)).hasMessage("columns 3..2 of F32[3, 4]");
        assertThatThrownBy(() -> tensor.slice(10, 3)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> tensor.columns(0, 2).reshape(6)).hasMessageContaining("dense: false");
        assertThatThrownBy(() -> tensor.require("logits", DType.F32, 3, 5))
                .hasMessage("logits must be F32 [3, 5], is F32[3, 4]");
        assertThatThrownBy(() -> tensor.copyFrom(counting(4, 3))).hasMessageContaining("cannot copy");
        assertThatThrownBy(() -> Tensor.zeros(DType.F32, -1)).hasMessageContaining("negative");
        assertThatThrownBy(() -> Tensor.of(MemorySegment.NULL, DType.F32, 1)).hasMessageContaining("needs 4 bytes");
        assertThatThrownBy(() -> Tensor.zeros(DType.F32, 1L << 40, 1L << 40)).isInstanceOf(ArithmeticException.class);
    }

    @Test
    void bf16RoundsToNearestEven() {
        Tensor tensor = Tensor.zeros(DType.BF16, 1, 4);
        tensor.set(0, 0, 1 + 0x1p-8f); // halfway: down to even
        tensor.set(0, 1, 1 + 0x3p-8f); // halfway: up to even
        tensor.set(0, 2, Float.NaN);
        tensor.set(0, 3, Float.MAX_VALUE);
        assertThat(tensor.toFloats()).containsExactly(1, 1 + 0x1p-6f, Float.NaN, Float.POSITIVE_INFINITY);
    }

    @Test
    void workspaceReusesItsMemory() {
        Workspace workspace = new Workspace();
        Tensor first = workspace.allocate(DType.F32, 3, 5);
        Tensor second = workspace.zeros(DType.I32, 7);
        assertThat(first.address() % Memory.ALIGNMENT).isZero();
        assertThat(second.address() - first.address()).isEqualTo(64);
        assertThat(second.toInts()).containsOnly(0);
        workspace.reset();
        assertThat(workspace.allocate(DType.F32, 1).address()).isEqualTo(first.address());
        assertThat(workspace.peakBytes()).isEqualTo(128);
    }

    @Test
    void workspaceGrowsAndThenMerges() {
        Workspace workspace = new Workspace();
        Tensor kept = workspace.zeros(DType.F32, 1000);
        kept.set(0, 999, 5);
        for (int i = 0; i < 5; i++) {
            workspace.allocate(DType.F32, 3 << 20).set(0, 0, 1);
        }
        assertThat(kept.get(0, 999)).isEqualTo(5); // older blocks live on
        long peak = workspace.peakBytes();
        workspace.reset();
        long address = workspace.allocate(DType.F32, 1000).address();
        Tensor last = kept;
        for (int i = 0; i < 5; i++) {
            last = workspace.allocate(DType.F32, 3 << 20);
        }
        assertThat(last.address() + (12L << 20) - address).isEqualTo(peak); // one block now
        assertThat(workspace.allocate(DType.F32, 0, 3).size()).isZero();
    }
}
