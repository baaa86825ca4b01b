package dev.fathom.engine;

/**
 * Philox4x32-10, a counter-based random number generator (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11).
 *
 * <p>A number is a pure function of (seed, stream, step, index): it does not depend on what was drawn before, on threads or
 * on the order in which sequences are sampled, and a checkpoint stores counters instead of generator state.
 */
public final class Philox {
    private static final int M0 = 0xD2511F53;
    private static final int M1 = 0xCD9E8D57;
    private static final int W0 = 0x9E3779B9;
    private static final int W1 = 0xBB67AE85;

    private Philox() {}

    /** 64 random bits for this place. {@code stream} names the purpose, so that two purposes never share numbers. */
    public static long bits(long seed, int stream, long step, int index) {
        return block((int) seed, (int) (seed >>> 32), index, stream, (int) step, (int) (step >>> 32));
    }

    /** Uniform in [0, 1) with 24 bits. */
    public static float uniform(long seed, int stream, long step, int index) {
        return (bits(seed, stream, step, index) >>> 40) * 0x1p-24f;
    }

    /** Standard normal by the Box-Muller transform (in double, then rounded). */
    public static float gaussian(long seed, int stream, long step, int index) {
        long bits = bits(seed, stream, step, index);
        double u = ((bits >>> 32) + 1) * 0x1p-32; // (0, 1]
        double v = (bits & 0xffffffffL) * 0x1p-32;
        return (float) (StrictMath.sqrt(-2 * StrictMath.log(u)) * StrictMath.cos(2 * Math.PI * v));
    }

    /** Ten Philox rounds; returns the first two of the four output words. */
    static long block(int key0, int key1, int c0, int c1, int c2, int c3) {
        for (int round = 0; round < 10; round++) {
            long p0 = (M0 & 0xffffffffL) * (c0 & 0xffffffffL);
            long p1 = (M1 & 0xffffffffL) * (c2 & 0xffffffffL);
            int n0 = (int) (p1 >>> 32) ^ c1 ^ key0;
            int n2 = (int) (p0 >>> 32) ^ c3 ^ key1;
            c1 = (int) p1;
            c3 = (int) p0;
            c0 = n0;
            c2 = n2;
            key0 += W0;
            key1 += W1;
        }
        return ((long) c0 << 32) | (c1 & 0xffffffffL);
    }
}
