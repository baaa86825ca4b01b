package dev.fathom.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Gradients that come into being part by part, in memory that held something else before. */
class VariableTest {
    private final WorkerPool pool = new WorkerPool(1);
    private final PassMemory memory = new PassMemory(new Workspace(), pool);

    @AfterEach
    void close() {
        pool.close();
    }

    private Variable inUsedMemory() {
        Tensor before = memory.allocate(DType.F32, 3, 8);
        for (int i = 0; i < 24; i++) {
            before.set(i / 8, i % 8, Float.NaN);
        }
        memory.release(before);
        return new Variable(Tensor.zeros(DType.F32, 3, 8), memory);
    }

    private static void fill(Tensor columns, float value) {
        for (long r = 0; r < columns.rows(); r++) {
            for (long c = 0; c < columns.columns(); c++) {
                columns.set(r, c, value);
            }
        }
    }

    @Test
    void whatNoPartWroteIsZero() {
        Variable whole = inUsedMemory();
        Variable part = whole.columns(2, 5);
        assertThat(part.hasGradient()).isFalse();
        fill(part.gradientToWrite(), 7);
        assertThat(part.hasGradient()).isTrue();
        assertThat(whole.columns(5, 8).hasGradient()).isFalse();
        assertThat(whole.gradient().toFloats())
                .containsExactly(0, 0, 7, 7, 7, 0, 0, 0, 0, 0, 7, 7, 7, 0, 0, 0, 0, 0, 7, 7, 7, 0, 0, 0);
    }

    @Test
    void aPartThatIsAddedToBeginsWithZero() {
        Variable whole = inUsedMemory();
        Variable part = whole.columns(0, 8).columns(1, 3);
        assertThat(part.gradient().toFloats()).containsOnly(0);
        fill(part.gradient(), 2);
        assertThat(part.gradient().toFloats()).containsOnly(2);
        fill(whole.columns(2, 4).gradient().columns(1, 2), 4); // one column is there already, the other begins
        assertThat(whole.gradient().rows(2, 3).toFloats()).containsExactly(0, 2, 2, 4, 0, 0, 0, 0);
    }

    @Test
    void partsOfHeadsHaveOneWriterEach() {
        Variable whole = inUsedMemory();
        Tensor keys = whole.gradientOfOnlyUse(new Variable.Columns(0, 1, 4, 2));
        fill(keys.columns(0, 1), 1);
        fill(keys.columns(4, 5), 1);
        Tensor values = whole.gradientOfOnlyUse(new Variable.Columns(1, 2, 4, 2));
        fill(values.columns(1, 3), 2);
        fill(values.columns(5, 7), 2);
        assertThatThrownBy(() -> whole.gradientOfOnlyUse(new Variable.Columns(2, 1, 0, 2)))
                .hasMessageContaining("used a second time");
        assertThat(whole.gradient().rows(1, 2).toFloats()).containsExactly(1, 2, 2, 0, 1, 2, 2, 0);
    }
}
