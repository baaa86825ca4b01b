package dev.fathom.avx512;

import dev.fathom.engine.Memory;
import dev.fathom.engine.RopeTable;
import dev.fathom.engine.RowKernels;
import dev.fathom.engine.Tensor;
import org.jspecify.annotations.Nullable;

/** {@link RowKernels} as machine code, which needs no compiler before it is fast. */
final class Avx512Rows implements RowKernels {
    @Override
    public String name() {
        return "AVX-512";
    }

    @Override
    public void addBias(Tensor y, Tensor bias, long from, long to, int worker) {
        BiasKernel.add(y.rowAddress(from), stride(y), bias.address(), Math.toIntExact(y.columns()), to - from);
    }

    @Override
    public void rmsNorm(
            Tensor x,
            @Nullable Tensor residual,
            Tensor weight,
            float eps,
            @Nullable Tensor sum,
            Tensor y,
            Tensor inverseRms,
            long from,
            long to,
            int worker) {
        int width = Math.toIntExact(x.columns());
        Rows input = rows(x, from);
        NormKernel.norm(
                input,
                residual == null ? input : rows(residual, from),
                sum == null ? input : rows(sum, from),
                residual != null,
                width,
                eps,
                weight.address(),
                y.dtype(),
                rows(y, from),
                inverseRms.address() + 4 * from,
                to - from);
    }

    /** The heads of a row are rows. */
    @Override
    public void rmsNormHeads(
            Tensor x,
            int heads,
            Tensor weight,
            float eps,
            Tensor y,
            Tensor inverseRms,
            long from,
            long to,
            int worker) {
        int width = Math.toIntExact(weight.size());
        for (long n = from; n < to; n++) {
            Rows input = new Rows(x.rowAddress(n), 4L * width);
            Rows output = new Rows(y.rowAddress(n), 4L * width);
            long inverse = inverseRms.address() + 4 * n * heads;
            NormKernel.norm(
                    input, input, input, false, width, eps, weight.address(), y.dtype(), output, inverse, heads);
        }
    }

    @Override
    public void rope(
            Tensor x,
            int heads,
            int headDim,
            int offset,
            Tensor positions,
            RopeTable table,
            boolean inverse,
            long from,
            long to,
            int worker) {
        rotate(RotationKernel::neighbours, x, heads, headDim, offset, positions, table, inverse, from, to);
    }

    @Override
    public void ropeHalves(
            Tensor x,
            int heads,
            int headDim,
            int offset,
            Tensor positions,
            RopeTable table,
            boolean inverse,
            long from,
            long to,
            int worker) {
        rotate(RotationKernel::halves, x, heads, headDim, offset, positions, table, inverse, from, to);
    }

    private interface Rotation {
        void turn(long x, long headStride, int heads, int pairs, long cosines, long sines, boolean inverse);
    }

    private static void rotate(
            Rotation rotation,
            Tensor x,
            int heads,
            int headDim,
            int offset,
            Tensor positions,
            RopeTable table,
            boolean inverse,
            long from,
            long to) {
        int pairs = Math.toIntExact(table.cos().columns());
        for (long n = from; n < to; n++) {
            int position = Memory.getInt(positions.address() + 4 * n);
            long cosines = table.cos().rowAddress(position);
            long sines = table.sin().rowAddress(position);
            rotation.turn(x.rowAddress(n) + 4L * offset, headDim, heads, pairs, cosines, sines, inverse);
        }
    }

    @Override
    public void swiGlu(Tensor gateUp, Tensor out, long from, long to, int worker) {
        SwiGluKernel.swiGlu(
                gateUp.dtype(),
                gateUp.rowAddress(from),
                stride(gateUp),
                out.dtype(),
                out.rowAddress(from),
                stride(out),
                Math.toIntExact(out.columns()),
                to - from);
    }

    @Override
    public void swiGluBackward(Tensor dOut, Tensor gateUp, Tensor dGateUp, long from, long to, int worker) {
        SwiGluKernel.backward(
                rows(dOut, from),
                gateUp.dtype(),
                rows(gateUp, from),
                dGateUp.dtype(),
                rows(dGateUp, from),
                Math.toIntExact(dOut.columns()),
                to - from);
    }

    @Override
    public void combineBackward(
            Tensor dy,
            Tensor expertOut,
            Tensor rowOf,
            Tensor gates,
            Tensor dExpertOut,
            Tensor dGates,
            long from,
            long to,
            int worker) {
        CombineKernel.backward(dy, expertOut, rowOf, gates, dExpertOut, dGates, from, to);
    }

    @Override
    public void largest(long x, int width, long pieces, long out) {
        LogitKernel.largest(x, width, pieces, out);
    }

    @Override
    public void sums(long x, int width, long pieces, long out, long lanes) {
        LogitKernel.sums(x, width, pieces, out);
    }

    @Override
    public void exponentials(long x, float inverseTemperature, float max, int width, long lanes, long out) {
        LogitKernel.exponentials(x, inverseTemperature, max, width, lanes, out);
    }

    private static Rows rows(Tensor tensor, long from) {
        return new Rows(tensor.rowAddress(from), stride(tensor));
    }

    private static long stride(Tensor tensor) {
        return tensor.rowStride() * tensor.dtype().bytes();
    }
}
