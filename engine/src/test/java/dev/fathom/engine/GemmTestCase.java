package dev.fathom.engine;

import java.util.Random;

/** Operands of a grouped matrix product with awkward sizes and strides, and the scalar loops they are checked with. */
public final class GemmTestCase {
    public final RowGroups groups;
    public final int outputs;
    public final int inputs;
    public final Tensor weights;
    public final Tensor x;
    public final Tensor dy;

    /**
     * @param columnViews whether x and dy are views of wider tensors
     * @param groupRows rows of each group
     */
    public GemmTestCase(long seed, int outputs, int inputs, boolean columnViews, int... groupRows) {
        Random random = new Random(seed);
        int[] offsets = new int[groupRows.length + 1];
        for (int g = 0; g < groupRows.length; g++) {
            offsets[g + 1] = offsets[g] + groupRows[g];
        }
        this.groups = new RowGroups(offsets);
        this.outputs = outputs;
        this.inputs = inputs;
        this.weights = random(random, groupRows.length, outputs, inputs);
        int rows = groups.rows();
        this.x = columnViews ? random(random, rows, inputs + 7).columns(3, 3 + inputs) : random(random, rows, inputs);
        this.dy =
                columnViews ? random(random, rows, outputs + 5).columns(5, 5 + outputs) : random(random, rows, outputs);
    }

    /** Values of different magnitudes, so that another order of additions shows in the bits. */
    public static Tensor random(Random random, long... shape) {
        Tensor tensor = Tensor.zeros(DType.F32, shape);
        for (long r = 0; r < tensor.rows(); r++) {
            for (long c = 0; c < tensor.columns(); c++) {
                tensor.set(r, c, (float) (random.nextGaussian() * Math.exp(random.nextGaussian())));
            }
        }
        return tensor;
    }

    /** {@code y[r][n]} of the written-out equation as one chain of fused multiply-adds. */
    public float[] forward(Precision precision) {
        float[] y = new float[groups.rows() * outputs];
        for (int g = 0; g < groups.count(); g++) {
            for (int r = groups.from(g); r < groups.to(g); r++) {
                for (int n = 0; n < outputs; n++) {
                    float sum = 0;
                    for (int k = 0; k < inputs; k++) {
                        sum = Math.fma(
                                operand(x.get(r, k), precision),
                                operand(weights.get((long) g * outputs + n, k), precision),
                                sum);
                    }
                    y[r * outputs + n] = sum;
                }
            }
        }
        return y;
    }

    /** {@code dx[r][k]}, added to {@code start}. */
    public float[] backwardInput(Precision precision, float start, boolean accumulate) {
        float[] dx = new float[groups.rows() * inputs];
        for (int g = 0; g < groups.count(); g++) {
            for (int r = groups.from(g); r < groups.to(g); r++) {
                for (int k = 0; k < inputs; k++) {
                    float sum = 0;
                    for (int n = 0; n < outputs; n++) {
                        sum = Math.fma(
                                operand(dy.get(r, n), precision),
                                operand(weights.get((long) g * outputs + n, k), precision),
                                sum);
                    }
                    dx[r * inputs + k] = accumulate ? start + sum : sum;
                }
            }
        }
        return dx;
    }

    /** {@code dw[g][n][k]}, perhaps added to {@code start}. */
    public float[] backwardWeight(Precision precision, float start, boolean accumulate) {
        float[] dw = new float[groups.count() * outputs * inputs];
        for (int g = 0; g < groups.count(); g++) {
            for (int n = 0; n < outputs; n++) {
                for (int k = 0; k < inputs; k++) {
                    float sum = 0;
                    for (int r = groups.from(g); r < groups.to(g); r++) {
                        sum = Math.fma(operand(dy.get(r, n), precision), operand(x.get(r, k), precision), sum);
                    }
                    dw[(g * outputs + n) * inputs + k] = accumulate ? start + sum : sum;
                }
            }
        }
        return dw;
    }

    /** Σ|a||b| of each output's reduction: the scale of its rounding error. */
    public double[] forwardMagnitude() {
        double[] y = new double[groups.rows() * outputs];
        for (int g = 0; g < groups.count(); g++) {
            for (int r = groups.from(g); r < groups.to(g); r++) {
                for (int n = 0; n < outputs; n++) {
                    for (int k = 0; k < inputs; k++) {
                        y[r * outputs + n] += Math.abs((double) x.get(r, k) * weights.get((long) g * outputs + n, k));
                    }
                }
            }
        }
        return y;
    }

    public static float operand(float value, Precision precision) {
        return precision == Precision.BF16 ? Memory.fromBf16(Memory.toBf16(value)) : value;
    }

    @Override
    public String toString() {
        return "outputs " + outputs + ", inputs " + inputs + ", offsets " + java.util.Arrays.toString(groups.offsets())
                + (x.isDense() ? "" : ", column views");
    }
}
