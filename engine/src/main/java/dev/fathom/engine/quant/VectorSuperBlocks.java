package dev.fathom.engine.quant;

import static dev.fathom.engine.quant.BitPlanes.half;
import static dev.fathom.engine.quant.BitPlanes.signed;
import static dev.fathom.engine.quant.BitPlanes.unsigned;

import dev.fathom.engine.Memory;
import dev.fathom.engine.quant.BitPlanes.Planes;

/**
 * The super-blocks of 256 elements, vectorised part by part. Layouts are explained in {@link ReferenceDecoder}, method by method; parameters are
 * absolute addresses and a number of blocks.
 */
final class VectorSuperBlocks {
    private static final Planes Q3 = new Planes(2, 1, 4);
    private static final Planes Q6 = new Planes(4, 2, 32);

    private VectorSuperBlocks() {}

    static void q2k(long block, long count, long y) {
        for (long end = block + 84 * count; block < end; block += 84) {
            float d = half(block + 80);
            float dMin = half(block + 82);
            for (int part = 0; part < 16; part++, y += 4 * 16) {
                int scales = unsigned(block + part);
                long q = block + 16 + 32 * (part / 8) + 16 * (part % 2);
                BitPlanes.offset(q, 2 * (part % 8 / 2), 3, d * (scales & 15), dMin * (scales >> 4), y, 16);
            }
        }
    }

    static void q3k(long block, long count, long y) {
        for (long end = block + 110 * count; block < end; block += 110) {
            float d = half(block + 108);
            for (int part = 0; part < 16; part++, y += 4 * 16) {
                int scale = unsigned(block + 96 + part % 8) >> 4 * (part / 8) & 15
                        | (unsigned(block + 104 + part % 4) >> 2 * (part / 4) & 3) << 4;
                long low = block + 32 + 32 * (part / 8) + 16 * (part % 2);
                long high = block + 16 * (part % 2);
                BitPlanes.scaled(Q3, low, 2 * (part % 8 / 2), high, part / 2, d * (scale - 32), y, 16);
            }
        }
    }

    static void q4k(long block, long count, long y) {
        for (long end = block + 144 * count; block < end; block += 144) {
            float d = half(block);
            float dMin = half(block + 2);
            for (int part = 0; part < 8; part++, y += 4 * 32) {
                long q = block + 16 + 32 * (part / 2);
                BitPlanes.offset(q, 4 * (part % 2), 15, d * scale(block, part), dMin * min(block, part), y, 32);
            }
        }
    }

    static void q5k(long block, long count, long y) {
        for (long end = block + 176 * count; block < end; block += 176) {
            float d = half(block);
            float dMin = half(block + 2);
            for (int part = 0; part < 8; part++, y += 4 * 32) {
                long low = block + 48 + 32 * (part / 2);
                float scale = d * scale(block, part);
                BitPlanes.offset(low, 4 * (part % 2), block + 16, part, scale, dMin * min(block, part), y, 32);
            }
        }
    }

    /** Scale of a part of a Q4_K or Q5_K block. */
    private static int scale(long block, int part) {
        return part < 4
                ? unsigned(block + 4 + part) & 63
                : unsigned(block + 8 + part) & 15 | unsigned(block + part) >> 6 << 4;
    }

    /** Min of a part of a Q4_K or Q5_K block. */
    private static int min(long block, int part) {
        return part < 4
                ? unsigned(block + 8 + part) & 63
                : unsigned(block + 8 + part) >> 4 | unsigned(block + 4 + part) >> 6 << 4;
    }

    static void q6k(long block, long count, long y) {
        for (long end = block + 210 * count; block < end; block += 210) {
            float d = half(block + 208);
            for (int part = 0; part < 16; part++, y += 4 * 16) {
                long low = block + 64 * (part / 8) + 16 * (part % 4);
                long high = block + 128 + 32 * (part / 8) + 16 * (part % 2);
                float scale = d * signed(block + 192 + part);
                BitPlanes.scaled(Q6, low, 4 * (part % 8 / 4), high, 2 * (part % 8 / 2), scale, y, 16);
            }
        }
    }

    static void iq4xs(long block, long count, long y) {
        for (long end = block + 136 * count; block < end; block += 136) {
            float d = half(block);
            int highs = Memory.ALL.get(Memory.SHORT, block + 2);
            for (int part = 0; part < 8; part++, y += 4 * 32) {
                int scale = unsigned(block + 4 + part / 2) >> 4 * (part % 2) & 15 | (highs >> 2 * part & 3) << 4;
                BitPlanes.nonlinear(block + 8 + 16 * part, d * (scale - 32), y);
            }
        }
    }
}
