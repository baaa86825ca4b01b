package dev.fathom.bench;

import dev.fathom.engine.DType;
import dev.fathom.engine.Philox;
import dev.fathom.engine.Tensor;

/** Random tensors for benchmarks, the same in every fork. */
final class Operands {
    /** Philox stream of benchmark operands ("oper"). */
    private static final int OPERANDS = 0x6f706572;

    private Operands() {}

    /** Normally distributed numbers; the seed tells tensors apart. */
    static Tensor random(long seed, long... shape) {
        Tensor tensor = Tensor.zeros(DType.F32, shape);
        for (long row = 0; row < tensor.rows(); row++) {
            for (long column = 0; column < tensor.columns(); column++) {
                int index = Math.toIntExact(row * tensor.columns() + column);
                tensor.set(row, column, Philox.gaussian(seed, OPERANDS, 0, index));
            }
        }
        return tensor;
    }
}
