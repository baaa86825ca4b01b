package dev.fathom.engine.quant;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.engine.Memory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;
import org.assertj.core.data.Index;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class QuantizedTypeTest {
    /** Random bytes: every scale a binary16 can have, subnormal, infinite and NaN among them. */
    @ParameterizedTest
    @EnumSource
    void vectorsComputeTheBitsOfTheReference(QuantizedType type) {
        SplittableRandom random = new SplittableRandom(type.id());
        for (int round = 0; round < 200; round++) {
            int blocks = random.nextInt(1, type.blockSize() == 1 ? 300 : 40);
            int shift = random.nextInt(8); // blocks are not aligned in files
            compare(type, random(type, blocks, shift, random), shift, (long) blocks * type.blockSize());
        }
    }

    /** Every binary16 and every bfloat16 there is. */
    @Test
    void allHalves() {
        MemorySegment all = Arena.ofAuto().allocate(2 << 16);
        for (int bits = 0; bits < 1 << 16; bits++) {
            all.set(Memory.SHORT, 2L * bits, (short) bits);
        }
        compare(QuantizedType.F16, all, 0, 1 << 16);
        compare(QuantizedType.BF16, all, 0, 1 << 16);
    }

    /** Blocks written by hand: what the specification says, not only that two decoders agree. */
    @Test
    void blocksByHand() {
        byte[] q40 = new byte[18];
        q40[1] = 0x40; // d = 2.0
        q40[2] = (byte) 0x9f; // element 0 is 15, element 16 is 9
        assertThat(decode(QuantizedType.Q4_0, q40)).startsWith(14, -16).contains(2, Index.atIndex(16));

        byte[] q6k = new byte[210];
        q6k[209] = 0x3c; // d = 1.0
        q6k[192] = 3; // scale of the first part
        q6k[199] = -2; // scale of part 7: elements 112 to 127
        q6k[5] = 0x0a;
        q6k[128 + 5] = 0x01; // element 5 is 16 + 10
        q6k[63] = (byte) 0xb0; // element 127 is 11 with high bits ...
        q6k[128 + 31] = (byte) 0xc0; // ... 3
        float[] y = decode(QuantizedType.Q6_K, q6k);
        assertThat(y[5]).isEqualTo(3 * (26 - 32));
        assertThat(y[127]).isEqualTo(-2 * (59 - 32));
        assertThat(y[0]).isEqualTo(3 * -32);

        byte[] q4k = new byte[144];
        q4k[1] = 0x3c; // d = 1
        q4k[3] = 0x38; // dmin = 0.5
        q4k[4] = (byte) 0xc5; // scale of part 0 is 5, upper bits of that of part 4 are 3
        q4k[8] = 0x41; // min of part 0 is 1, upper bits of that of part 4 are 1
        q4k[12] = 0x72; // scale of part 4 is 2 + 48, min 7 + 16
        q4k[16] = 4; // element 0
        q4k[16 + 64 + 3] = 6; // element 128 + 3
        y = decode(QuantizedType.Q4_K, q4k);
        assertThat(y[0]).isEqualTo(5 * 4 - 0.5f);
        assertThat(y[131]).isEqualTo(50 * 6 - 0.5f * 23);

        byte[] iq4 = new byte[18];
        iq4[1] = 0x3c;
        iq4[2] = (byte) 0xf0;
        y = decode(QuantizedType.IQ4_NL, iq4);
        assertThat(y[0]).isEqualTo(-127);
        assertThat(y[16]).isEqualTo(113);
    }

    @Test
    void checksSizesBeforeItTouchesMemory() {
        MemorySegment block = Arena.ofAuto().allocate(34);
        MemorySegment floats = Arena.ofAuto().allocate(4 * 32);
        assertThatThrownBy(() -> QuantizedType.Q8_0.decode(block, 0, floats, 0, 31))
                .hasMessageContaining("31 elements are no whole number of Q8_0 blocks of 32");
        assertThatThrownBy(() -> QuantizedType.Q8_0.decode(block, 1, floats, 0, 32))
                .isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> QuantizedType.Q8_0.decode(block, 0, floats, 4, 32))
                .isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> QuantizedType.Q8_0.decode(block, 0, floats, 0, 1L << 62))
                .isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> QuantizedType.Q8_0.decode(MemorySegment.ofArray(new byte[34]), 0, floats, 0, 32))
                .hasMessageContaining("native");
    }

    private static float[] decode(QuantizedType type, byte[] block) {
        MemorySegment source = Arena.ofAuto().allocate(block.length);
        MemorySegment.copy(block, 0, source, ValueLayout.JAVA_BYTE, 0, block.length);
        MemorySegment target = Arena.ofAuto().allocate(4L * type.blockSize());
        type.decode(source, 0, target, 0, type.blockSize());
        return target.toArray(ValueLayout.JAVA_FLOAT);
    }

    static MemorySegment random(QuantizedType type, int blocks, int shift, SplittableRandom random) {
        byte[] bytes = new byte[shift + blocks * type.blockBytes()];
        random.nextBytes(bytes);
        MemorySegment source = Arena.ofAuto().allocate(bytes.length);
        MemorySegment.copy(bytes, 0, source, ValueLayout.JAVA_BYTE, 0, bytes.length);
        return source;
    }

    private static void compare(QuantizedType type, MemorySegment source, int shift, long count) {
        MemorySegment expected = Arena.ofAuto().allocate(4 * count);
        MemorySegment actual = Arena.ofAuto().allocate(4 * count);
        type.decodeReference(source, shift, expected, 0, count);
        type.decode(source, shift, actual, 0, count);
        for (long i = 0; i < count; i++) {
            // All NaNs are one: hardware keeps the payload or not.
            int e = Float.floatToIntBits(expected.get(Memory.FLOAT, 4 * i));
            int a = Float.floatToIntBits(actual.get(Memory.FLOAT, 4 * i));
            if (e != a) {
                assertThat(Integer.toHexString(a)).as("%s element %d", type, i).isEqualTo(Integer.toHexString(e));
            }
        }
    }
}
