package dev.fathom.avx512;

import java.io.ByteArrayOutputStream;

/**
 * Writes the few x86-64 instructions that the kernels here consist of (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2;
 * section 2.7 for the EVEX prefix of AVX-512).
 *
 * <p>General registers are numbered as the processor does: rax 0, rcx 1, rdx 2, rbx 3, rsp 4, rbp 5, rsi 6, rdi 7, r8 to r15.
 */
final class Assembler {
    static final int RAX = 0;
    static final int RCX = 1;
    static final int RDX = 2;
    static final int RBX = 3;
    static final int RSP = 4;
    static final int RBP = 5;
    static final int RSI = 6;
    static final int RDI = 7;
    static final int R8 = 8;
    static final int R9 = 9;
    static final int R10 = 10;
    static final int R11 = 11;
    static final int R12 = 12;
    static final int R13 = 13;
    static final int R14 = 14;
    static final int R15 = 15;

    /** Opcode maps and mandatory prefixes, as the EVEX prefix numbers them. */
    private static final int MAP_0F = 1;

    private static final int MAP_0F38 = 2;
    private static final int MAP_0F3A = 3;
    private static final int NO_PREFIX = 0;
    private static final int PREFIX_66 = 1;
    private static final int PREFIX_F3 = 2;
    private static final int PREFIX_F2 = 3;
    private static final int WIDE = 0x80;

    /** Vector lengths, and broadcasting of one element of 32 bits from memory, as the EVEX prefix has them. */
    private static final int BITS_128 = 0;

    private static final int BITS_256 = 0x20;
    private static final int BITS_512 = 0x40;
    private static final int BROADCAST = 0x50;

    /** An address: {@code [base + index * scale + displacement]}. */
    record Address(int base, int index, int scale, int displacement) {
        private static final int NONE = -1;

        static Address of(int base) {
            return new Address(base, NONE, 1, 0);
        }

        static Address of(int base, int displacement) {
            return new Address(base, NONE, 1, displacement);
        }

        static Address indexed(int base, int index, int scale) {
            return new Address(base, index, scale, 0);
        }

        Address plus(int bytes) {
            return new Address(base, index, scale, displacement + bytes);
        }

        static Address indexed(int base, int index, int scale, int displacement) {
            return new Address(base, index, scale, displacement);
        }

        boolean hasIndex() {
            return index != NONE;
        }
    }

    /** Where the processor should bring memory that will be needed soon. */
    enum Prefetch {
        /** Into the second-level cache, whose queue of misses is longer than that of the first. */
        SECOND_LEVEL(0x18, 3);

        private final int opcode;
        private final int extension;

        Prefetch(int opcode, int extension) {
            this.opcode = opcode;
            this.extension = extension;
        }
    }

    private final ByteArrayOutputStream code = new ByteArrayOutputStream();

    /** Bytes so far: the place of the next instruction, to jump back to. */
    int position() {
        return code.size();
    }

    byte[] bytes() {
        return code.toByteArray();
    }

    // ---- general registers, 64 bits

    void push(int register) {
        rexIfNeeded(register);
        code.write(0x50 | register & 7);
    }

    void pop(int register) {
        rexIfNeeded(register);
        code.write(0x58 | register & 7);
    }

    private void rexIfNeeded(int register) {
        if (register >= 8) {
            code.write(0x41);
        }
    }

    void move(int target, int source) {
        registers(0x89, source, target);
    }

    void add(int target, int source) {
        registers(0x01, source, target);
    }

    private void registers(int opcode, int source, int target) {
        code.write(0x48 | (source >= 8 ? 4 : 0) | (target >= 8 ? 1 : 0));
        code.write(opcode);
        code.write(0xc0 | (source & 7) << 3 | target & 7);
    }

    void addImmediate(int target, int value) {
        code.write(0x48 | (target >= 8 ? 1 : 0));
        code.write(0x81);
        code.write(0xc0 | target & 7);
        int32(value);
    }

    void shiftLeft(int target, int bits) {
        code.write(0x48 | (target >= 8 ? 1 : 0));
        code.write(0xc1);
        code.write(0xe0 | target & 7);
        code.write(bits);
    }

    /** {@code target = source * value}. */
    void multiply(int target, int source, int value) {
        code.write(0x48 | (target >= 8 ? 4 : 0) | (source >= 8 ? 1 : 0));
        code.write(0x69);
        code.write(0xc0 | (target & 7) << 3 | source & 7);
        int32(value);
    }

    void load(int target, Address from) {
        memory(0x8b, target, from);
    }

    void store(int source, Address to) {
        memory(0x89, source, to);
    }

    /** The lowest 16 bits; the others stay. */
    void load16(int target, Address from) {
        code.write(0x66);
        boolean farIndex = from.hasIndex() && from.index >= 8;
        code.write(0x40 | (target >= 8 ? 4 : 0) | (farIndex ? 2 : 0) | (from.base >= 8 ? 1 : 0));
        code.write(0x8b);
        operand(target, from, 1);
    }

    void store32(int source, Address to) {
        memory32(0x89, source, to);
    }

    /** {@code target = value}, the upper half zero. */
    void moveImmediate(int target, int value) {
        rexIfNeeded(target);
        code.write(0xb8 | target & 7);
        int32(value);
    }

    void and(int target, int value) {
        code.write(0x48 | (target >= 8 ? 1 : 0));
        code.write(0x81);
        code.write(0xe0 | target & 7);
        int32(value);
    }

    /** A hint, which never fails. */
    void prefetch(Prefetch how, Address address) {
        rex(0, address, false);
        code.write(0x0f);
        code.write(how.opcode);
        operand(how.extension, address, 1);
    }

    /** {@code target = the address}. */
    void loadAddress(int target, Address address) {
        memory(0x8d, target, address);
    }

    private void memory(int opcode, int register, Address address) {
        rex(register, address, true);
        code.write(opcode);
        operand(register, address, 1);
    }

    /** PREFETCHW: asks for a cache line that will be written. Never faults. */
    void prefetchToWrite(Address address) {
        boolean farIndex = address.hasIndex() && address.index >= 8;
        code.write(0x40 | (farIndex ? 2 : 0) | (address.base >= 8 ? 1 : 0));
        code.write(0x0f);
        code.write(0x0d);
        operand(1, address, 1);
    }

    private void memory32(int opcode, int register, Address address) {
        rex(register, address, false);
        code.write(opcode);
        operand(register, address, 1);
    }

    private void rex(int register, Address address, boolean wide) {
        boolean farIndex = address.hasIndex() && address.index >= 8;
        int bits = (wide ? 8 : 0) | (register >= 8 ? 4 : 0) | (farIndex ? 2 : 0) | (address.base >= 8 ? 1 : 0);
        if (bits != 0) {
            code.write(0x40 | bits);
        }
    }

    /** Counts down and jumps back while the register is not zero. */
    void decrementAndLoop(int register, int target) {
        code.write(0x48 | (register >= 8 ? 1 : 0));
        code.write(0xff);
        code.write(0xc8 | register & 7);
        code.write(0x0f);
        code.write(0x85);
        int32(target - (position() + 4));
    }

    /** As {@link #decrementAndLoop(int, int)} with a counter in memory. */
    void decrementAndLoop(Address counter, int target) {
        memory(0xff, 1, counter);
        code.write(0x0f);
        code.write(0x85);
        int32(target - (position() + 4));
    }

    void returnToCaller() {
        code.write(0xc3);
    }

    /** {@code mask register = lower half of a general register}, one of the first eight. */
    void moveToMask(int mask, int register) {
        code.write(0xc5);
        code.write(0xf8);
        code.write(0x92);
        code.write(0xc0 | mask << 3 | register & 7);
    }

    /** As {@link #moveToMask} for the 32 elements of 16 bits. */
    void moveToMask32(int mask, int register) {
        code.write(0xc5);
        code.write(0xfb);
        code.write(0x92);
        code.write(0xc0 | mask << 3 | register & 7);
    }

    void clearUpperHalves() {
        code.write(0xc5);
        code.write(0xf8);
        code.write(0x77);
    }

    // ---- 512-bit vectors

    void vectorZero(int target) {
        evexRegisters(MAP_0F, PREFIX_66, 0xef, target, target, target);
    }

    /** Under a mask other than 0 the other elements become zero. */
    void vectorLoad(int target, Address from, int mask) {
        evexMemory(MAP_0F, NO_PREFIX, 0x10, target, from, 64, mask, mask != 0);
    }

    /** Under a mask other than 0 the other elements stay in memory as they are. */
    void vectorStore(int source, Address to, int mask) {
        evexMemory(MAP_0F, NO_PREFIX, 0x11, source, to, 64, mask, false);
    }

    /** Elements of 16 bits under the mask. */
    void vectorStore16(int source, Address to, int mask) {
        evexMemory(MAP_0F, PREFIX_F2 | WIDE, 0x7f, source, to, 64, mask, false);
    }

    /** The 32 bits at an address into all sixteen elements. */
    void broadcast32(int target, Address from) {
        evexMemory(MAP_0F38, PREFIX_66, 0x58, target, from, 4, 0, false);
    }

    /** VDPBF16PS: {@code sum[i] += a[2i+1] * b[2i+1]; sum[i] += a[2i] * b[2i]} in f32, for bf16 pairs a and b. */
    void dotBf16(int sum, int a, int b) {
        evexRegisters(MAP_0F38, PREFIX_F3, 0x52, sum, a, b);
    }

    /** As {@link #dotBf16(int, int, int)} with b in memory. */
    void dotBf16(int sum, int a, Address b) {
        evexMemory(MAP_0F38, PREFIX_F3, 0x52, BITS_512, sum, a, b, 64, 0, false);
    }

    /** VCVTNE2PS2BF16: sixteen floats each of {@code low} and {@code high} to 32 bf16 values, to nearest even. */
    void roundToBf16(int target, int high, int low) {
        evexRegisters(MAP_0F38, PREFIX_F2, 0x72, target, high, low);
    }

    /** VCVTNEPS2BF16: sixteen floats to bf16 values in the lower half of the target, to nearest even. */
    void roundToBf16(int target, int source) {
        evexRegisters(MAP_0F38, PREFIX_F3, 0x72, target, 0, source);
    }

    /** The lower half of a vector. */
    void store256(int source, Address to) {
        evexMemory(MAP_0F, NO_PREFIX, 0x11, BITS_256, source, 0, to, 32, 0, false);
    }

    /** The upper half of a vector. */
    void storeUpper256(int source, Address to) {
        evexMemory(MAP_0F3A, PREFIX_66 | WIDE, 0x1b, source, to, 32, 0, false);
        code.write(1);
    }

    /** VPERMW: {@code target[i] = source[indices[i]]} for 32 elements of 16 bits. */
    void permute16(int target, int indices, int source) {
        evexRegisters(MAP_0F38, PREFIX_66 | WIDE, 0x8d, target, indices, source);
    }

    /** VPMOVZXWD: sixteen 16-bit elements in memory to 32 bits each; under a mask other than 0 the others are not read and become zero. */
    void widen16(int target, Address from, int mask) {
        evexMemory(MAP_0F38, PREFIX_66, 0x33, target, from, 32, mask, mask != 0);
    }

    /** VPSLLD. */
    void shiftLeft32(int target, int source, int bits) {
        evexRegisters(MAP_0F, PREFIX_66, 0x72, 6, target, source);
        code.write(bits);
    }

    /** VPORD. */
    void or(int target, int a, int b) {
        evexRegisters(MAP_0F, PREFIX_66, 0xeb, target, a, b);
    }

    // ---- arithmetic on sixteen floats

    void vectorMove(int target, int source) {
        evexRegisters(MAP_0F, NO_PREFIX, 0x28, target, 0, source);
    }

    void vectorAdd(int target, int a, int b) {
        evexRegisters(MAP_0F, NO_PREFIX, 0x58, target, a, b);
    }

    void vectorMultiply(int target, int a, int b) {
        evexRegisters(MAP_0F, NO_PREFIX, 0x59, target, a, b);
    }

    void vectorSubtract(int target, int a, int b) {
        evexRegisters(MAP_0F, NO_PREFIX, 0x5c, target, a, b);
    }

    void vectorDivide(int target, int a, int b) {
        evexRegisters(MAP_0F, NO_PREFIX, 0x5e, target, a, b);
    }

    /** {@code a < b ? a : b}: b where one of them is NaN. */
    void vectorMin(int target, int a, int b) {
        evexRegisters(MAP_0F, NO_PREFIX, 0x5d, target, a, b);
    }

    /** {@code a > b ? a : b}: b where one of them is NaN. */
    void vectorMax(int target, int a, int b) {
        evexRegisters(MAP_0F, NO_PREFIX, 0x5f, target, a, b);
    }

    /** {@code sum += a * b}, rounded once. */
    void multiplyAdd(int sum, int a, int b) {
        evexRegisters(MAP_0F38, PREFIX_66, 0xb8, sum, a, b);
    }

    /** {@code factor = factor * a + b}, rounded once. */
    void multiplyThenAdd(int factor, int a, int b) {
        evexRegisters(MAP_0F38, PREFIX_66, 0xa8, factor, a, b);
    }

    /** {@code factor = factor * a - b}, rounded once. */
    void multiplyThenSubtract(int factor, int a, int b) {
        evexRegisters(MAP_0F38, PREFIX_66, 0xaa, factor, a, b);
    }

    /** VSCALEFPS: {@code a * 2^b} for whole numbers b, rounded once. */
    void scaleByPowerOf2(int target, int a, int b) {
        evexRegisters(MAP_0F38, PREFIX_66, 0x2c, target, a, b);
    }

    /** {@code target[i] = a[i]} under the mask, else {@code otherwise[i]}. */
    void select(int target, int mask, int a, int otherwise) {
        evexRegisters(MAP_0F38, PREFIX_66, 0x65, BITS_512, target, otherwise, a, mask);
    }

    /** The sixteen elements in four quarters: which of them come into each, two bits apiece. */
    void shuffleQuarters(int target, int source, int order) {
        shuffleQuarters(target, source, source, order);
    }

    /** VSHUFF32X4: two quarters of a, then two of b; which, two bits apiece. */
    void shuffleQuarters(int target, int a, int b, int order) {
        evexRegisters(MAP_0F3A, PREFIX_66, 0x23, target, a, b);
        code.write(order);
    }

    /** VPMOVZXDQ and VMOVSLDUP: eight floats from memory, each twice; under a mask other than 0 the others are not read and become zero. */
    void loadTwice(int target, Address from, int mask) {
        evexMemory(MAP_0F38, PREFIX_66, 0x35, target, from, 32, mask, mask != 0);
        evexRegisters(MAP_0F, PREFIX_F3, 0x12, target, 0, target);
    }

    /** In each quarter: which elements come where, two bits apiece. */
    void shuffleInQuarters(int target, int source, int order) {
        evexRegisters(MAP_0F3A, PREFIX_66, 0x04, target, 0, source);
        code.write(order);
    }

    // ---- the first two elements of a vector, in double

    /** The first two floats as doubles. */
    void floatToDouble(int target, int source) {
        evexRegisters(MAP_0F, NO_PREFIX, 0x5a, BITS_128, target, 0, source);
    }

    /** The first two doubles as floats. */
    void doubleToFloat(int target, int source) {
        evexRegisters(MAP_0F, PREFIX_66 | WIDE, 0x5a, BITS_128, target, 0, source);
    }

    void addDouble(int target, int a, int b) {
        evexRegisters(MAP_0F, PREFIX_66 | WIDE, 0x58, BITS_128, target, a, b);
    }

    void divideDouble(int target, int a, int b) {
        evexRegisters(MAP_0F, PREFIX_66 | WIDE, 0x5e, BITS_128, target, a, b);
    }

    void squareRootDouble(int target, int source) {
        evexRegisters(MAP_0F, PREFIX_66 | WIDE, 0x51, BITS_128, target, 0, source);
    }

    // ---- integers in 512-bit vectors

    /** The lower half of a general register into all sixteen elements. */
    void broadcast32(int target, int generalRegister) {
        evexRegisters(MAP_0F38, PREFIX_66, 0x7c, BITS_512, target, 0, generalRegister);
    }

    /** Element 0 of a vector into all sixteen. */
    void broadcastFirst(int target, int source) {
        evexRegisters(MAP_0F38, PREFIX_66, 0x58, BITS_512, target, 0, source);
    }

    void xor(int target, int a, int b) {
        evexRegisters(MAP_0F, PREFIX_66, 0xef, target, a, b);
    }

    void and(int target, int a, int b) {
        evexRegisters(MAP_0F, PREFIX_66, 0xdb, target, a, b);
    }

    /** {@code target = target & mask | or}. */
    void andOr(int target, int mask, int or) {
        evexRegisters(MAP_0F3A, PREFIX_66, 0x25, target, mask, or);
        code.write(0xea);
    }

    /** {@code target = target | a & b}. */
    void orAnd(int target, int a, int b) {
        evexRegisters(MAP_0F3A, PREFIX_66, 0x25, target, a, b);
        code.write(0xf8);
    }

    void addInt(int target, int a, int b) {
        evexRegisters(MAP_0F, PREFIX_66, 0xfe, target, a, b);
    }

    void subtractInt(int target, int a, int b) {
        evexRegisters(MAP_0F, PREFIX_66, 0xfa, target, a, b);
    }

    void maxInt(int target, int a, int b) {
        evexRegisters(MAP_0F38, PREFIX_66, 0x3d, target, a, b);
    }

    /** VPMULLD: the lower 32 bits of products. */
    void multiplyInt(int target, int a, int b) {
        evexRegisters(MAP_0F38, PREFIX_66, 0x40, target, a, b);
    }

    /** Elements of 32 bits to the right, zeros from above. */
    void shiftRight(int target, int source, int bits) {
        evexRegisters(MAP_0F, PREFIX_66, 0x72, 2, target, source);
        code.write(bits);
    }

    /** Elements of 32 bits to the right, signs from above. */
    void shiftRightSigned(int target, int source, int bits) {
        evexRegisters(MAP_0F, PREFIX_66, 0x72, 4, target, source);
        code.write(bits);
    }

    /** VPDPBUSD: {@code sum[i] += Σ a[4i + j] * b[4i + j]} of four unsigned bytes of a and signed ones of b. */
    void dotBytes(int sum, int a, int b) {
        evexRegisters(MAP_0F38, PREFIX_66, 0x50, sum, a, b);
    }

    /** As {@link #dotBytes(int, int, int)} with the same four bytes from memory for all elements. */
    void dotBytesBroadcast(int sum, int a, Address b) {
        evexMemory(MAP_0F38, PREFIX_66, 0x50, BROADCAST, sum, a, b, 4, 0, false);
    }

    /** As {@link #dotBf16(int, int, int)} with the same pair from memory for all elements. */
    void dotBf16Broadcast(int sum, int a, Address b) {
        evexMemory(MAP_0F38, PREFIX_F3, 0x52, BROADCAST, sum, a, b, 4, 0, false);
    }

    /** VPUNPCKLDQ: of each 128 bits, the first two elements of a and b in turn. */
    void interleaveLow32(int target, int a, int b) {
        evexRegisters(MAP_0F, PREFIX_66, 0x62, target, a, b);
    }

    /** VPUNPCKHDQ: of each 128 bits, the last two elements of a and b in turn. */
    void interleaveHigh32(int target, int a, int b) {
        evexRegisters(MAP_0F, PREFIX_66, 0x6a, target, a, b);
    }

    /** VPUNPCKLBW: of each 128 bits, the first eight bytes of a and b in turn. */
    void interleaveLow8(int target, int a, int b) {
        evexRegisters(MAP_0F, PREFIX_66, 0x60, target, a, b);
    }

    /** VPUNPCKHBW: of each 128 bits, the last eight bytes of a and b in turn. */
    void interleaveHigh8(int target, int a, int b) {
        evexRegisters(MAP_0F, PREFIX_66, 0x68, target, a, b);
    }

    /** VPUNPCKLWD: of each 128 bits, the first four elements of 16 bits of a and b in turn. */
    void interleaveLow16(int target, int a, int b) {
        evexRegisters(MAP_0F, PREFIX_66, 0x61, target, a, b);
    }

    /** VPUNPCKHWD: of each 128 bits, the last four elements of 16 bits of a and b in turn. */
    void interleaveHigh16(int target, int a, int b) {
        evexRegisters(MAP_0F, PREFIX_66, 0x69, target, a, b);
    }

    /** VPUNPCKLQDQ: of each 128 bits, the lower halves of a and b. */
    void interleaveLow64(int target, int a, int b) {
        evexRegisters(MAP_0F, PREFIX_66 | WIDE, 0x6c, target, a, b);
    }

    /** VPUNPCKHQDQ: of each 128 bits, the upper halves of a and b. */
    void interleaveHigh64(int target, int a, int b) {
        evexRegisters(MAP_0F, PREFIX_66 | WIDE, 0x6d, target, a, b);
    }

    /** VPSHUFB: of each 128 bits, {@code target[i] = table[indices[i]]}. */
    void lookUp(int target, int table, int indices) {
        evexRegisters(MAP_0F38, PREFIX_66, 0x00, target, table, indices);
    }

    /** VPERMI2B: {@code target[i] = table[target[i] & 127]}, a table of 64 bytes in each of two vectors. */
    void lookUpInTwo(int target, int table, int rest) {
        evexRegisters(MAP_0F38, PREFIX_66, 0x75, target, table, rest);
    }

    /** 128 bits from memory; the rest of the vector becomes zero. */
    void load128(int target, Address from) {
        evexMemory(MAP_0F, PREFIX_F3, 0x6f, BITS_128, target, 0, from, 16, 0, false);
    }

    /** The lowest 128 bits. */
    void store128(int source, Address to) {
        evexMemory(MAP_0F, PREFIX_F3, 0x7f, BITS_128, source, 0, to, 16, 0, false);
    }

    /** The lowest 32 bits. */
    void storeFirst(int source, Address to) {
        evexMemory(MAP_0F, PREFIX_F3, 0x11, BITS_128, source, 0, to, 4, 0, false);
    }

    /** {@code target = source} with 128 bits from memory in its given quarter. */
    void insert128(int target, int source, Address from, int quarter) {
        evexMemory(MAP_0F3A, PREFIX_66, 0x38, BITS_512, target, source, from, 16, 0, false);
        code.write(quarter);
    }

    /** {@code target = source} with the lowest 128 bits of a vector in its given quarter. */
    void insert128(int target, int source, int from, int quarter) {
        evexRegisters(MAP_0F3A, PREFIX_66, 0x38, target, source, from);
        code.write(quarter);
    }

    /** A general register as the lowest 64 bits; the rest of the vector becomes zero. */
    void moveToVector(int target, int generalRegister) {
        evexRegisters(MAP_0F, PREFIX_66 | WIDE, 0x6e, BITS_128, target, 0, generalRegister);
    }

    /** {@code target = source} with a general register as its second 64 bits; what follows becomes zero. */
    void insertSecond64(int target, int source, int generalRegister) {
        evexRegisters(MAP_0F3A, PREFIX_66 | WIDE, 0x22, BITS_128, target, source, generalRegister);
        code.write(1);
    }

    /** The lower halves of sixteen elements, side by side in the lower half of the target. */
    void narrowTo16(int target, int source) {
        evexRegisters(MAP_0F38, PREFIX_F3, 0x33, BITS_512, source, 0, target);
    }

    /** The sixteen elements as signed bytes, too large ones as the largest, in the lowest 128 bits of the target. */
    void narrowTo8(int target, int source) {
        evexRegisters(MAP_0F38, PREFIX_F3, 0x21, BITS_512, source, 0, target);
    }

    // ---- conversions, and products with one float from memory

    void toFloat(int target, int source) {
        evexRegisters(MAP_0F, NO_PREFIX, 0x5b, BITS_512, target, 0, source);
    }

    /** To nearest even. */
    void toInt(int target, int source) {
        evexRegisters(MAP_0F, PREFIX_66, 0x5b, BITS_512, target, 0, source);
    }

    /** Sixteen binary16 numbers in the lower half of the source. */
    void halfToFloat(int target, int source) {
        evexRegisters(MAP_0F38, PREFIX_66, 0x13, BITS_512, target, 0, source);
    }

    /** {@code target = a * b} with the same float from memory for all elements. */
    void multiplyFloatBroadcast(int target, int a, Address b) {
        evexMemory(MAP_0F, NO_PREFIX, 0x59, BROADCAST, target, a, b, 4, 0, false);
    }

    /** {@code sum += a * b}, rounded once, with the same float from memory for all elements. */
    void multiplyAddBroadcast(int sum, int a, Address b) {
        evexMemory(MAP_0F38, PREFIX_66, 0xb8, BROADCAST, sum, a, b, 4, 0, false);
    }

    /** {@code sum -= a * b}, rounded once, with the same float from memory for all elements. */
    void multiplySubtractBroadcast(int sum, int a, Address b) {
        evexMemory(MAP_0F38, PREFIX_66, 0xbc, BROADCAST, sum, a, b, 4, 0, false);
    }

    /** @param prefix the mandatory prefix, with {@link #WIDE} for the W bit */
    private void evexRegisters(int map, int prefix, int opcode, int register, int second, int third) {
        evexRegisters(map, prefix, opcode, BITS_512, register, second, third, 0);
    }

    private void evexRegisters(int map, int prefix, int opcode, int length, int register, int second, int third) {
        evexRegisters(map, prefix, opcode, length, register, second, third, 0);
    }

    private void evexRegisters(
            int map, int prefix, int opcode, int length, int register, int second, int third, int mask) {
        code.write(0x62);
        code.write(bit(register, 3, 7) | bit(third, 4, 6) | bit(third, 3, 5) | bit(register, 4, 4) | map);
        code.write((~second & 15) << 3 | 4 | prefix);
        code.write(length | bit(second, 4, 3) | mask);
        code.write(opcode);
        code.write(0xc0 | (register & 7) << 3 | third & 7);
    }

    private void evexMemory(
            int map, int prefix, int opcode, int register, Address address, int unit, int mask, boolean zeroing) {
        evexMemory(map, prefix, opcode, BITS_512, register, 0, address, unit, mask, zeroing);
    }

    private void evexMemory(
            int map,
            int prefix,
            int opcode,
            int length,
            int register,
            int second,
            Address address,
            int unit,
            int mask,
            boolean zeroing) {
        int index = address.hasIndex() ? address.index : 0;
        code.write(0x62);
        code.write(bit(register, 3, 7) | bit(index, 3, 6) | bit(address.base, 3, 5) | bit(register, 4, 4) | map);
        code.write((~second & 15) << 3 | 4 | prefix);
        code.write((zeroing ? 0x80 : 0) | length | bit(second, 4, 3) | mask);
        code.write(opcode);
        operand(register, address, unit);
    }

    /** Bit {@code from} of a register's number, inverted as EVEX wants it, at place {@code to}. */
    private static int bit(int register, int from, int to) {
        return (~register >> from & 1) << to;
    }

    /** ModRM, SIB and displacement; EVEX counts 8-bit displacements in units of the operand. */
    private void operand(int register, Address address, int unit) {
        boolean sib = address.hasIndex() || (address.base & 7) == RSP;
        boolean none = address.displacement == 0 && (address.base & 7) != RBP;
        int scaled = address.displacement / unit;
        boolean small = address.displacement % unit == 0 && scaled >= -128 && scaled < 128;
        int mode = none ? 0 : small ? 1 : 2;
        code.write(mode << 6 | (register & 7) << 3 | (sib ? RSP : address.base & 7));
        if (sib) {
            int index = address.hasIndex() ? address.index & 7 : RSP; // rsp as index means none
            code.write(Integer.numberOfTrailingZeros(address.scale) << 6 | index << 3 | address.base & 7);
        }
        if (mode == 1) {
            code.write(scaled);
        } else if (mode == 2) {
            int32(address.displacement);
        }
    }

    private void int32(int value) {
        for (int shift = 0; shift < 32; shift += 8) {
            code.write(value >> shift);
        }
    }

    /** {@code cpuid} with the leaf and subleaf of two 32-bit arguments (System V: edi, esi); returns eax << 32 | edx. */
    static byte[] cpuidEaxEdx() {
        Assembler code = cpuid();
        code.finishCpuid(RAX, RDX);
        return code.bytes();
    }

    /** As {@link #cpuidEaxEdx}; returns ebx << 32 | ecx. */
    static byte[] cpuidEbxEcx() {
        Assembler code = cpuid();
        code.move(RAX, RBX);
        code.finishCpuid(RAX, RCX);
        return code.bytes();
    }

    private static Assembler cpuid() {
        Assembler code = new Assembler();
        code.push(RBX); // cpuid overwrites it
        code.move(RAX, RDI);
        code.move(RCX, RSI);
        code.code.write(0x0f);
        code.code.write(0xa2);
        return code;
    }

    private void finishCpuid(int high, int low) {
        code.write(0x48); // shl high, 32
        code.write(0xc1);
        code.write(0xe0 | high);
        code.write(32);
        registers(0x09, low, high);
        pop(RBX);
        returnToCaller();
    }
}
