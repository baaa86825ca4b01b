package dev.fathom.onednn;

import dev.fathom.engine.Gemm;
import dev.fathom.engine.GemmProvider;
import dev.fathom.engine.Memory;
import dev.fathom.engine.Precision;
import dev.fathom.engine.WorkerPool;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.EnumMap;
import java.util.Map;

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
        OneDnnLibrary.useOneThread();
        try (Arena arena = Arena.ofConfined()) {
            for (int[] shape : SHAPES) {
                String difference = difference(precision, shape[0], shape[1], arena);
                if (!difference.isEmpty()) {
                    return difference;
                }
            }
            return "";
        } catch (RuntimeException e) {
            return "oneDNN's self-check failed: " + e.getMessage();
        }
    }

    /**
     * Multiplies the same rows in blocks of every size and says where bits differ. It drives the primitives themselves, on operands
     * that need no rounding: vector code is slow until it is compiled, and this runs first of all.
     */
    private static String difference(Precision precision, int inputs, int outputs, Arena arena) {
        int type = precision == Precision.BF16 ? OneDnnLibrary.BF16 : OneDnnLibrary.F32;
        int elementBytes = precision == Precision.BF16 ? 2 : 4;
        int rows = OneDnnMatmul.MAX_ROWS;
        try (OneDnnMatmul matmul = new OneDnnMatmul(type, inputs, outputs, outputs, 1);
                OneDnnProduct packing = matmul.packing(1, inputs)) {
            long stream = OneDnnLibrary.stream();
            long weights = operands(elementBytes, (long) inputs * outputs, arena);
            long packed =
                    arena.allocate(matmul.weightsBytes(), Memory.ALIGNMENT).address();
            packing.run(0, stream, weights, 0, packed, 0);
            long x = operands(elementBytes, (long) rows * inputs, arena);
            long scratch =
                    arena.allocate(matmul.scratchBytes() + 1, Memory.ALIGNMENT).address();
            MemorySegment expected = arena.allocate(4L * rows * outputs, Memory.ALIGNMENT);
            matmul.run(OneDnnMatmul.BLOCKS.length - 1, 0, stream, x, packed, expected.address(), scratch);
            MemorySegment found = arena.allocate(expected.byteSize(), Memory.ALIGNMENT);
            for (int block = 0; block < OneDnnMatmul.BLOCKS.length; block++) {
                int size = OneDnnMatmul.BLOCKS[block];
                for (int from = size == rows ? 0 : size / 2; from + size <= rows; from += Math.max(size, 27)) {
                    long source = x + (long) from * inputs * elementBytes;
                    matmul.run(block, 0, stream, source, packed, found.address(), scratch);
                    long bytes = 4L * size * outputs;
                    long start = 4L * from * outputs;
                    if (MemorySegment.mismatch(found, 0, bytes, expected, start, start + bytes) >= 0) {
                        return "oneDNN " + precision + " is not exact on this machine: rows of [" + outputs + ", "
                                + inputs + "] have other bits in a block of " + size + " than in one of " + rows;
                    }
                }
            }
            return "";
        }
    }

    /** Numbers of both signs and several magnitudes, as bf16 or floats. */
    private static long operands(int elementBytes, long count, Arena arena) {
        long address = arena.allocate(elementBytes * count, Memory.ALIGNMENT).address();
        int state = 1;
        for (long i = 0; i < count; i++) {
            state = state * 1664525 + 1013904223;
            // Random sign and mantissa, exponents from 2^-4 to 2^3.
            int bits = (state & 0x80ff_ffff) | (0x3d80_0000 + ((state >>> 4) & 0x0380_0000));
            if (elementBytes == 2) {
                Memory.ALL.set(Memory.SHORT, address + 2 * i, (short) (bits >>> 16));
            } else {
                Memory.setInt(address + 4 * i, bits);
            }
        }
        return address;
    }
}
