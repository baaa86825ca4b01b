package dev.fathom.engine;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Elementary functions in f32, each as a vector and a scalar twin that give the same bits in every lane, for every vector
 * length, on every machine.
 *
 * <p>The trick: no tables, no branches, no library calls, only operations that IEEE 754 rounds in one way (add, multiply, fused
 * multiply-add, divide, compare, integer shifts). {@code Math.exp} promises no such thing, and the vector API's own {@code
 * lanewise(EXP)} calls another library on each platform. Batch invariance needs it: an element that falls into a loop's scalar
 * tail must come out like the one that falls into a full vector.
 *
 * <p>{@code exp(x) = 2^n · e^r} with {@code n = round(x / ln 2)}, {@code r = x - n ln 2} (Cody and Waite: ln 2 in two parts, so
 * that {@code n} times the first is exact) and a polynomial for {@code e^r} on |r| ≤ ln 2 / 2 (the coefficients of Cephes'
 * {@code expf}). The power of two is multiplied in two halves, so that results in the denormal range are rounded once and
 * correctly and too large ones become infinite, without a branch.
 */
public final class VectorMath {
    /** Below this exp is less than half the smallest float: the result is 0. Also where -∞ is moved to. */
    static final float EXP_LOWEST = -104f;

    /** Above 88.73 the result is infinite. Also where +∞ is moved to. */
    private static final float EXP_HIGHEST = 89f;

    private static final float INVERSE_LN2 = 1.44269504088896341f;

    /** 1.5 · 2^23: adding it rounds to an integer, which then stands in the low bits; above them nine bits are 0. */
    private static final float ROUNDER = 12582912f;

    private static final int ROUNDER_BITS = 0x4B400000;

    /** ln 2 to 9 bits and minus the rest. */
    private static final float LN2_HIGH = 0.693359375f;

    private static final float LN2_LOW = -2.12194440e-4f;

    private static final float C7 = 1.9875691500e-4f;
    private static final float C6 = 1.3981999507e-3f;
    private static final float C5 = 8.3334519073e-3f;
    private static final float C4 = 4.1665795894e-2f;
    private static final float C3 = 1.6666665459e-1f;
    private static final float C2 = 5.0000001201e-1f;

    private static final int EXPONENT_BIAS = 127;
    private static final int MANTISSA_BITS = 23;

    private VectorMath() {}

    /**
     * The numbers that {@link #exp(FloatVector)} uses, in that order, for those who write it in machine code: lowest and highest argument,
     * 1 / ln 2, rounder, minus both parts of ln 2, the coefficients from the highest power down.
     */
    public static float[] expConstants() {
        return new float[] {
            EXP_LOWEST, EXP_HIGHEST, INVERSE_LN2, ROUNDER, -LN2_HIGH, -LN2_LOW, C7, C6, C5, C4, C3, C2, 1f
        };
    }

    /** {@code e^x} per lane, within 1.1 ulp everywhere; -∞ gives 0, above 88.73 ∞, NaN stays NaN. */
    public static FloatVector exp(FloatVector x) {
        var species = x.species();
        FloatVector one = FloatVector.broadcast(species, 1f);
        FloatVector rounder = FloatVector.broadcast(species, ROUNDER);
        // Compare and blend instead of min and max: Java's NaN and signed-zero rules make those several instructions.
        FloatVector a = x.blend(EXP_LOWEST, x.compare(VectorOperators.LT, EXP_LOWEST));
        a = a.blend(EXP_HIGHEST, a.compare(VectorOperators.GT, EXP_HIGHEST));
        FloatVector t = a.fma(FloatVector.broadcast(species, INVERSE_LN2), rounder);
        FloatVector n = t.sub(rounder);
        FloatVector r = n.fma(FloatVector.broadcast(species, -LN2_HIGH), a);
        r = n.fma(FloatVector.broadcast(species, -LN2_LOW), r);
        FloatVector p = FloatVector.broadcast(species, C7).fma(r, FloatVector.broadcast(species, C6));
        p = p.fma(r, FloatVector.broadcast(species, C5));
        p = p.fma(r, FloatVector.broadcast(species, C4));
        p = p.fma(r, FloatVector.broadcast(species, C3));
        p = p.fma(r, FloatVector.broadcast(species, C2));
        p = p.fma(r.mul(r), r).add(one);
        IntVector exponent = t.reinterpretAsInts().sub(ROUNDER_BITS);
        IntVector half = exponent.lanewise(VectorOperators.ASHR, 1);
        IntVector rest = exponent.sub(half);
        FloatVector scale1 = half.add(EXPONENT_BIAS)
                .lanewise(VectorOperators.LSHL, MANTISSA_BITS)
                .reinterpretAsFloats();
        FloatVector scale2 = rest.add(EXPONENT_BIAS)
                .lanewise(VectorOperators.LSHL, MANTISSA_BITS)
                .reinterpretAsFloats();
        return p.mul(scale1).mul(scale2);
    }

    /** The scalar twin of {@link #exp(FloatVector)}: the same operations in the same order, the same bits. */
    public static float exp(float x) {
        float a = x < EXP_LOWEST ? EXP_LOWEST : x;
        a = a > EXP_HIGHEST ? EXP_HIGHEST : a;
        float t = Math.fma(a, INVERSE_LN2, ROUNDER);
        float n = t - ROUNDER;
        float r = Math.fma(n, -LN2_HIGH, a);
        r = Math.fma(n, -LN2_LOW, r);
        float p = Math.fma(C7, r, C6);
        p = Math.fma(p, r, C5);
        p = Math.fma(p, r, C4);
        p = Math.fma(p, r, C3);
        p = Math.fma(p, r, C2);
        p = Math.fma(p, r * r, r) + 1f;
        int exponent = Float.floatToRawIntBits(t) - ROUNDER_BITS;
        int half = exponent >> 1;
        int rest = exponent - half;
        float scale1 = Float.intBitsToFloat((half + EXPONENT_BIAS) << MANTISSA_BITS);
        float scale2 = Float.intBitsToFloat((rest + EXPONENT_BIAS) << MANTISSA_BITS);
        return p * scale1 * scale2;
    }

    /**
     * The same bits as {@link #exp(FloatVector)} for {@code -104 <= x <= 0} (NaN stays NaN; rounding may have carried x a little above 0), in
     * three quarters of the operations: the sum with the rounder holds {@code n + 101} in a float's exponent bits but for a shift, as
     * {@code 2^(n+101)} never leaves the normal range.
     */
    static FloatVector expNotPositive(FloatVector x) {
        var species = x.species();
        FloatVector rounder = FloatVector.broadcast(species, ROUNDER + (101 + EXPONENT_BIAS));
        FloatVector t = x.fma(FloatVector.broadcast(species, INVERSE_LN2), rounder);
        FloatVector n = t.sub(rounder);
        FloatVector r = n.fma(FloatVector.broadcast(species, -LN2_HIGH), x);
        r = n.fma(FloatVector.broadcast(species, -LN2_LOW), r);
        FloatVector p = FloatVector.broadcast(species, C7).fma(r, FloatVector.broadcast(species, C6));
        p = p.fma(r, FloatVector.broadcast(species, C5));
        p = p.fma(r, FloatVector.broadcast(species, C4));
        p = p.fma(r, FloatVector.broadcast(species, C3));
        p = p.fma(r, FloatVector.broadcast(species, C2));
        p = p.fma(r.mul(r), r).add(1f);
        FloatVector scale = t.reinterpretAsInts()
                .lanewise(VectorOperators.LSHL, MANTISSA_BITS)
                .reinterpretAsFloats();
        return p.mul(scale).mul(0x1p-101f);
    }

    /** {@code 1 / (1 + e^-x)} per lane, within 2.5 ulp above -87; below -88.73 it is 0. */
    public static FloatVector sigmoid(FloatVector x) {
        FloatVector one = FloatVector.broadcast(x.species(), 1f);
        return one.div(one.add(exp(x.neg())));
    }

    /** The scalar twin of {@link #sigmoid(FloatVector)}. */
    public static float sigmoid(float x) {
        return 1f / (1f + exp(-x));
    }

    /**
     * Natural logarithm, correctly rounded but for rare ties (0.501 ulp): evaluated in double as {@code e ln 2 + 2 atanh((m - 1) /
     * (m + 1))} with the mantissa m in [√½, √2). 0 gives -∞, a negative number NaN.
     */
    public static float log(float x) {
        if (!(x > 0f) || x == Float.POSITIVE_INFINITY) {
            return x == 0f ? Float.NEGATIVE_INFINITY : x > 0f ? x : Float.NaN;
        }
        // Every float, denormal or not, is a normal double.
        long bits = Double.doubleToRawLongBits(x);
        int exponent = (int) (bits >>> 52) - 1023;
        double mantissa = Double.longBitsToDouble((bits & 0x000fffffffffffffL) | 0x3ff0000000000000L);
        if (mantissa > 1.4142135623730951) {
            mantissa *= 0.5;
            exponent++;
        }
        double f = (mantissa - 1) / (mantissa + 1);
        double s = f * f;
        double series = Math.fma(s, 1.0 / 15, 1.0 / 13);
        series = Math.fma(series, s, 1.0 / 11);
        series = Math.fma(series, s, 1.0 / 9);
        series = Math.fma(series, s, 1.0 / 7);
        series = Math.fma(series, s, 1.0 / 5);
        series = Math.fma(series, s, 1.0 / 3);
        series = Math.fma(series, s, 1.0);
        return (float) Math.fma(exponent, 0.6931471805599453, 2 * f * series);
    }
}
