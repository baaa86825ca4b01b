package dev.fathom.engine.quant;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.engine.Memory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class Float8Test {
    /** The table of the format's paper: largest, smallest normal and smallest subnormal number, zero, NaN. */
    @Test
    void decodesTheCornersOfE4m3() {
        assertThat(Float8.fromE4m3((byte) 0x7e)).isEqualTo(448);
        assertThat(Float8.fromE4m3((byte) 0xfe)).isEqualTo(-448);
        assertThat(Float8.fromE4m3((byte) 0x08)).isEqualTo(0x1p-6f);
        assertThat(Float8.fromE4m3((byte) 0x07)).isEqualTo(0.875f * 0x1p-6f);
        assertThat(Float8.fromE4m3((byte) 0x01)).isEqualTo(0x1p-9f);
        assertThat(Float8.fromE4m3((byte) 0x38)).isEqualTo(1);
        assertThat(Float8.fromE4m3((byte) 0x3b)).isEqualTo(1.375f);
        assertThat(Float.floatToRawIntBits(Float8.fromE4m3((byte) 0x80))).isEqualTo(0x8000_0000);
        assertThat(Float8.fromE4m3((byte) 0x7f)).isNaN();
        assertThat(Float8.fromE4m3((byte) 0xff)).isNaN();
    }

    @Test
    void decodesTheCornersOfE8m0() {
        assertThat(Float8.fromE8m0((byte) 127)).isEqualTo(1);
        assertThat(Float8.fromE8m0((byte) 0)).isEqualTo(0x1p-127f);
        assertThat(Float8.fromE8m0((byte) 254)).isEqualTo(0x1p127f);
        assertThat(Float8.fromE8m0((byte) 255)).isNaN();
    }

    @Test
    void vectorsComputeTheBitsOfTheReference() {
        SplittableRandom random = new SplittableRandom(3);
        for (int round = 0; round < 300; round++) {
            int columns = random.nextInt(1, 700);
            int shift = random.nextInt(8);
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment source = arena.allocate(shift + columns);
                for (int i = 0; i < columns; i++) {
                    source.set(ValueLayout.JAVA_BYTE, shift + i, (byte) random.nextInt(256));
                }
                MemorySegment scales = arena.allocate(4 * Float8.blocks(columns));
                for (int i = 0; i < Float8.blocks(columns); i++) {
                    scales.set(Memory.FLOAT, 4L * i, Float.intBitsToFloat(random.nextInt()));
                }
                MemorySegment expected = arena.allocate(4L * columns);
                MemorySegment actual = arena.allocate(4L * columns);
                Float8.decodeRowReference(source, shift, scales, expected, 0, columns);
                Float8.decodeRow(source, shift, scales, actual, 0, columns);
                for (int i = 0; i < columns; i++) {
                    int e = Float.floatToIntBits(expected.get(Memory.FLOAT, 4L * i));
                    int a = Float.floatToIntBits(actual.get(Memory.FLOAT, 4L * i));
                    assertThat(a).as("element %d of %d", i, columns).isEqualTo(e);
                }
                assertThatThrownBy(() -> Float8.decodeRow(source, shift + 1, scales, actual, 0, columns))
                        .isInstanceOf(IndexOutOfBoundsException.class);
            }
        }
    }
}
