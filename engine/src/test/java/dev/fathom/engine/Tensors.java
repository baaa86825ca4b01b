package dev.fathom.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import java.util.function.DoubleSupplier;
import org.assertj.core.data.Offset;

/** Making and comparing tensors in tests. */
final class Tensors {
    private Tensors() {}

    static Tensor normal(Random random, long... shape) {
        Tensor tensor = Tensor.zeros(DType.F32, shape);
        fill(random, tensor);
        return tensor;
    }

    /** The same as {@link #normal}, in the middle of a wider tensor: rows that are not dense. */
    static Tensor normalView(Random random, long rows, long columns) {
        Tensor wide = normal(random, rows, columns + 7);
        return wide.columns(3, 3 + columns);
    }

    /** Either of the two. */
    static Tensor any(Random random, long rows, long columns) {
        return random.nextBoolean() ? normal(random, rows, columns) : normalView(random, rows, columns);
    }

    static void fill(Random random, Tensor tensor) {
        for (long r = 0; r < tensor.rows(); r++) {
            for (long c = 0; c < tensor.columns(); c++) {
                tensor.set(r, c, (float) random.nextGaussian());
            }
        }
    }

    static Tensor copy(Tensor tensor) {
        Tensor copy = Tensor.zeros(tensor.dtype(), tensor.rows(), tensor.columns());
        copy.copyFrom(tensor);
        return copy;
    }

    /** The same values rounded to BF16, in the middle of a wider tensor. */
    static Tensor rounded(Tensor tensor) {
        Tensor rounded =
                Tensor.zeros(DType.BF16, tensor.rows(), tensor.columns() + 5).columns(3, 3 + tensor.columns());
        assign(rounded, tensor);
        return rounded;
    }

    /** The same values in F32. */
    static Tensor widened(Tensor tensor) {
        Tensor widened = Tensor.zeros(DType.F32, tensor.rows(), tensor.columns());
        assign(widened, tensor);
        return widened;
    }

    private static void assign(Tensor target, Tensor source) {
        for (long r = 0; r < source.rows(); r++) {
            for (long c = 0; c < source.columns(); c++) {
                target.set(r, c, source.get(r, c));
            }
        }
    }

    /** Random ids below a limit, as I32 of this shape. */
    static Tensor ids(Random random, int limit, long... shape) {
        Tensor ids = Tensor.zeros(DType.I32, shape);
        for (long r = 0; r < ids.rows(); r++) {
            for (long c = 0; c < ids.columns(); c++) {
                ids.setInt(r, c, random.nextInt(limit));
            }
        }
        return ids;
    }

    /** Every element within this part of 1 plus its size. */
    static void assertClose(String what, Tensor actual, Tensor expected, double tolerance) {
        assertThat(actual.rows()).isEqualTo(expected.rows());
        for (long r = 0; r < expected.rows(); r++) {
            for (long c = 0; c < expected.columns(); c++) {
                float value = expected.get(r, c);
                if (!(Math.abs(actual.get(r, c) - value) <= tolerance * (1 + Math.abs(value)))) {
                    assertThat(actual.get(r, c))
                            .as("%s[%d, %d] of %s", what, r, c, expected)
                            .isCloseTo(value, Offset.offset((float) (tolerance * (1 + Math.abs(value)))));
                }
            }
        }
    }

    static void assertSameBits(String what, Tensor actual, Tensor expected) {
        for (long r = 0; r < expected.rows(); r++) {
            for (long c = 0; c < expected.columns(); c++) {
                if (bits(actual, r, c) != bits(expected, r, c)) {
                    assertThat(actual.get(r, c))
                            .as("bits of %s[%d, %d]", what, r, c)
                            .isEqualTo(expected.get(r, c));
                }
            }
        }
    }

    private static int bits(Tensor tensor, long row, long column) {
        return tensor.dtype() == DType.I32
                ? tensor.getInt(row, column)
                : Float.floatToRawIntBits(tensor.get(row, column));
    }

    /** {@code Σ weights * values}: a scalar loss that gives every output its own gradient. */
    static double weightedSum(Tensor weights, Tensor values) {
        double sum = 0;
        for (long r = 0; r < values.rows(); r++) {
            for (long c = 0; c < values.columns(); c++) {
                sum += (double) weights.get(r, c) * values.get(r, c);
            }
        }
        return sum;
    }

    /** Compares a gradient with central differences of the loss, element by element. */
    static void assertGradient(String what, Tensor x, Tensor dx, DoubleSupplier loss) {
        float step = 1e-2f;
        for (long r = 0; r < x.rows(); r++) {
            for (long c = 0; c < x.columns(); c++) {
                float old = x.get(r, c);
                x.set(r, c, old + step);
                double above = loss.getAsDouble();
                double right = x.get(r, c);
                x.set(r, c, old - step);
                double below = loss.getAsDouble();
                double slope = (above - below) / (right - x.get(r, c));
                x.set(r, c, old);
                assertThat((double) dx.get(r, c))
                        .as("gradient of %s[%d, %d]", what, r, c)
                        .isCloseTo(slope, Offset.offset(2e-3 * (1 + Math.abs(slope))));
            }
        }
    }
}
