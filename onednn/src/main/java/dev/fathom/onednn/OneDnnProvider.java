package dev.fathom.onednn;

import dev.fathom.engine.DType;
import dev.fathom.engine.Gemm;
import dev.fathom.engine.GemmProvider;
import dev.fathom.engine.Precision;
import dev.fathom.engine.RowGroups;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.WorkerPool;
import java.util.EnumMap;
import java.util.Map;
import java.util.Random;

/**
 * Offers {@link OneDnnGemm} where the library loads and its rows are the same bits in every batch, which a self-check on this
 * machine decides once.
 */
public final class OneDnnProvider implements GemmProvider {
    /** The bit pattern of oneDNN's instruction sets from AVX-512 BF16 up. */
    private static final int ISA_AVX512_BF16 = 0xe7;

    /** (inputs, outputs) of the self-check: typical layers, and odd sizes. */
    private static final int[][] SHAPES = {{16, 48}, {64, 128}, {128, 192}, {128, 40}, {192, 512}, {688, 256}, {37, 45}
    };

    private static final Map<Precision, String> CHECKED = new EnumMap<>(Precision.class);

    @Override
    public String name() {
        return "onednn";
    }

    @Override
    public String unavailable(Precision precision) {
        if (!OneDnnLibrary.failure().isEmpty()) {
            return OneDnnLibrary.failure();
        }
        synchronized (CHECKED) {
            return CHECKED.computeIfAbsent(precision, OneDnnProvider::selfCheck);
        }
    }

    @Override
    public boolean preferred(Precision precision) {
        // Without bf16 instructions oneDNN emulates them; in f32 VectorGemm is as fast, and exact by construction.
        return precision == Precision.BF16
                && unavailable(precision).isEmpty()
                && (OneDnnLibrary.effectiveIsa() & ISA_AVX512_BF16) == ISA_AVX512_BF16;
    }

    @Override
    public Gemm open(Precision precision, WorkerPool pool) {
        String reason = unavailable(precision);
        if (!reason.isEmpty()) {
            throw new UnsupportedOperationException(reason);
        }
        return new OneDnnGemm(precision, pool);
    }

    private static String selfCheck(Precision precision) {
        try (WorkerPool pool = new WorkerPool(1);
                Gemm gemm = new OneDnnGemm(precision, pool)) {
            for (int[] shape : SHAPES) {
                String difference = difference(gemm, shape[0], shape[1]);
                if (!difference.isEmpty()) {
                    return difference;
                }
            }
            return "";
        } catch (RuntimeException e) {
            return "oneDNN's self-check failed: " + e.getMessage();
        }
    }

    /** Multiplies the same rows in batches of every block size and says where bits differ. */
    static String difference(Gemm gemm, int inputs, int outputs) {
        int rows = OneDnnMatmul.MAX_ROWS;
        Random random = new Random(inputs);
        Gemm.Packed packed = gemm.pack(random(random, outputs, inputs));
        Tensor x = random(random, rows, inputs);
        Tensor expected = Tensor.zeros(DType.F32, rows, outputs);
        Tensor found = Tensor.zeros(DType.F32, rows, outputs);
        gemm.forward(x, RowGroups.single(rows), packed, expected);
        for (int size : new int[] {1, 2, 3, 4, 8, 16, 32, 64}) {
            found.zero();
            // Small blocks at a few places only: the check must not delay the start.
            for (int from = size / 2; from + size <= rows; from += Math.max(size, 27)) {
                Tensor part = found.rows(from, from + size);
                gemm.forward(x.rows(from, from + size), RowGroups.single(size), packed, part);
                if (part.segment()
                                .asSlice(0, 4L * size * outputs)
                                .mismatch(expected.rows(from, from + size)
                                        .segment()
                                        .asSlice(0, 4L * size * outputs))
                        >= 0) {
                    return gemm.name() + " is not exact on this machine: a row of [" + outputs + ", " + inputs
                            + "] has other bits in a batch of " + size + " than in one of " + rows;
                }
            }
        }
        return "";
    }

    private static Tensor random(Random random, long... shape) {
        float[] values = new float[Math.toIntExact(shape[0] * shape[1])];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return Tensor.of(values, shape);
    }
}
