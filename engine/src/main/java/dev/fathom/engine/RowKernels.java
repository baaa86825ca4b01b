package dev.fathom.engine;

import org.jspecify.annotations.Nullable;

/**
 * What happens to rows one by one, beside products and attention, in a forward pass and where it counts in the backward one: the part of {@link Kernels} that there are several implementations of.
 * {@link VectorRows} is the built-in one, in Java. C2 has to compile its loops first, and until then they are a hundred times slower, which is most of what
 * somebody waits for who wants one answer from a program just started; so a {@link GemmProvider} that writes machine code may bring its own.
 *
 * <p>Arguments are those of the methods of {@link Kernels} with these names, checked there; computed are the rows {@code from} (inclusive) to {@code to}
 * (exclusive), on the thread of this worker of the pool. All implementations give the same bits, but that one may take denormal floats for zeros where it
 * rounds to BF16.
 */
public interface RowKernels {
    /** Short name for the kernels line. */
    String name();

    /** See {@link Kernels#addBias}. */
    void addBias(Tensor y, Tensor bias, long from, long to, int worker);

    /** See {@link Kernels#rmsNorm}. */
    void rmsNorm(
            Tensor x,
            @Nullable Tensor residual,
            Tensor weight,
            float eps,
            @Nullable Tensor sum,
            Tensor y,
            Tensor inverseRms,
            long from,
            long to,
            int worker);

    /** See {@link Kernels#rmsNormHeads}. */
    void rmsNormHeads(
            Tensor x, int heads, Tensor weight, float eps, Tensor y, Tensor inverseRms, long from, long to, int worker);

    /** See {@link Kernels#rope}. */
    void rope(
            Tensor x,
            int heads,
            int headDim,
            int offset,
            Tensor positions,
            RopeTable table,
            boolean inverse,
            long from,
            long to,
            int worker);

    /** See {@link Kernels#ropeHalves}. */
    void ropeHalves(
            Tensor x,
            int heads,
            int headDim,
            int offset,
            Tensor positions,
            RopeTable table,
            boolean inverse,
            long from,
            long to,
            int worker);

    /** See {@link Kernels#swiGlu}. */
    void swiGlu(Tensor gateUp, Tensor out, long from, long to, int worker);

    /** See {@link Kernels#swiGluBackward}. */
    void swiGluBackward(Tensor dOut, Tensor gateUp, Tensor dGateUp, long from, long to, int worker);

    /** See {@link Kernels#combineBackward}; the rows are tokens. */
    void combineBackward(
            Tensor dy,
            Tensor expertOut,
            Tensor rowOf,
            Tensor gates,
            Tensor dExpertOut,
            Tensor dGates,
            long from,
            long to,
            int worker);

    // ---- logits: parts of one row of F32, by address; widths are numbers of floats

    /**
     * The largest number of each of some pieces of {@code width} floats, one after the other; a NaN is passed over.
     *
     * @param x address of the first piece
     * @param out address of a float for each piece
     */
    void largest(long x, int width, long pieces, long out);

    /**
     * The sum of each of some pieces of {@code width} floats, one after the other: element i in lane {@code i mod 16}, then the lanes pairwise.
     *
     * @param x address of the first piece
     * @param out address of a float for each piece
     * @param lanes address of room for sixteen floats
     */
    void sums(long x, int width, long pieces, long out, long lanes);

    /**
     * With {@code z = x inverseTemperature - max}, at least -104: leaves {@code Σ exp(z)} in sixteen lanes and {@code Σ exp(z) z} in as many after them.
     *
     * @param x address of {@code width} floats
     * @param max the largest of {@code x inverseTemperature}
     * @param lanes address of 32 floats
     * @param out address where the exponentials go, maybe x, or 0 if they are not wanted
     */
    void exponentials(long x, float inverseTemperature, float max, int width, long lanes, long out);
}
