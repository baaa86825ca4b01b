package dev.fathom.engine;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * The whole address space as one segment, addressed by absolute address.
 *
 * <p>Kernels read and write through {@link #ALL}. Its bounds are constants, so C2 removes the checks and keeps vectors in
 * registers; with one segment per tensor some loop shapes stop being intrinsified and run a hundred times slower
 * ({@code docs/log.md}). The price is that an address must be right: kernels check shapes once, at their entry, through
 * {@link Tensor}, and never take addresses from outside.
 */
public final class Memory {
    /** Alignment of every allocation in bytes: one cache line, one 512-bit vector. */
    public static final long ALIGNMENT = 64;

    /** All memory; offset = absolute address. */
    public static final MemorySegment ALL = MemorySegment.NULL.reinterpret(Long.MAX_VALUE);

    /** Byte order of vector loads and stores. */
    public static final ByteOrder ORDER = ByteOrder.nativeOrder();

    /** Scalar float access that needs no 4-byte alignment check. */
    public static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;

    /** Scalar int access that needs no 4-byte alignment check. */
    public static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED;

    /** Scalar short access (bf16 bits). */
    public static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED;

    /** Scalar access to eight bytes that needs no alignment check. */
    public static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED;

    static final ValueLayout.OfByte BYTE = ValueLayout.JAVA_BYTE;

    static {
        // Vectors that are not compiled yet reinterpret bits by way of an array. Were that the first segment over an
        // array in this process, C2 would throw away all code that it compiled until then: it counts on native
        // segments only (docs/log.md).
        MemorySegment.ofArray(new byte[1]);
    }

    private Memory() {}

    /** Zeroed native memory on an {@link #ALIGNMENT} boundary, freed when nobody can reach the segment; in large pages where that pays. */
    public static MemorySegment allocate(long bytes) {
        return HugePages.allocate(bytes);
    }

    /** Asks for large pages for a file that was mapped and not touched yet: reading them is up to a third faster. */
    public static void adviseLargePages(MemorySegment mapped) {
        HugePages.adviseMapping(mapped);
    }

    /** Reads the float at an absolute address. */
    public static float getFloat(long address) {
        return ALL.get(FLOAT, address);
    }

    /** Writes the float at an absolute address. */
    public static void setFloat(long address, float value) {
        ALL.set(FLOAT, address, value);
    }

    /** Reads the int at an absolute address. */
    public static int getInt(long address) {
        return ALL.get(INT, address);
    }

    /** Writes the int at an absolute address. */
    public static void setInt(long address, int value) {
        ALL.set(INT, address, value);
    }

    /** Copies bytes between absolute addresses. */
    public static void copy(long from, long to, long bytes) {
        MemorySegment.copy(ALL, from, ALL, to, bytes);
    }

    /** Fills bytes with zero. */
    public static void zero(long address, long bytes) {
        ALL.asSlice(address, bytes).fill((byte) 0);
    }

    /** Rounds a size or offset in bytes up to {@link #ALIGNMENT}. */
    public static long align(long bytes) {
        return (bytes + ALIGNMENT - 1) & -ALIGNMENT;
    }

    /** Rounds to nearest even into bfloat16 bits; NaN stays NaN. */
    public static short toBf16(float value) {
        int bits = Float.floatToRawIntBits(value);
        if (Float.isNaN(value)) {
            return (short) ((bits >>> 16) | 0x40);
        }
        return (short) ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16);
    }

    /** The float whose upper half are these bfloat16 bits (exact). */
    public static float fromBf16(short bits) {
        return Float.intBitsToFloat(bits << 16);
    }
}
