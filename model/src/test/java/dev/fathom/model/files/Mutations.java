package dev.fathom.model.files;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.SplittableRandom;

/**
 * Damages a file in every way it can think of, and checks that a reader either reads it or says what is wrong: with a
 * {@link CheckpointException} that names the file, and without allocating more than a small multiple of the file.
 */
public final class Mutations {
    /** What a reader may allocate on the heap for a file of some kilobytes, whatever sizes the file claims. */
    private static final long MOST_BYTES = 1 << 20;

    private static final Path NAME = Path.of("hostile.file");

    private static final long[] VALUES = {
        0,
        1,
        2,
        3,
        7,
        8,
        9,
        31,
        33,
        64,
        127,
        128,
        255,
        1 << 16,
        Integer.MAX_VALUE,
        1L << 31,
        0xffff_ffffL,
        1L << 32,
        1L << 40,
        1L << 62,
        Long.MAX_VALUE,
        Long.MAX_VALUE - 30,
        Long.MIN_VALUE,
        Long.MIN_VALUE + 1,
        -1,
        -2,
        -8,
        -32,
        -33
    };

    private final Reader reader;
    private final ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    private int files;
    private int refused;

    /** Opens a file and uses all that it holds. */
    @FunctionalInterface
    public interface Reader {
        /** @param bytes native memory of exactly the file's length, so that reading beyond its end is an exception */
        void read(Path file, MemorySegment bytes);
    }

    public Mutations(Reader reader) {
        this.reader = reader;
    }

    /** Files made so far. */
    public int files() {
        return files;
    }

    /** Those of them that the reader refused. */
    public int refused() {
        return refused;
    }

    /** Writes every value, in every width, at every {@code stride}-th byte before {@code end}: no field stays untouched. */
    public void overwriteFields(byte[] good, int end, int stride) {
        int turn = 0;
        for (int at = 0; at < end; at++) {
            for (long value : VALUES) {
                for (int width = 1; width <= 8; width *= 2) {
                    if (turn++ % stride == 0 && at + width <= good.length) {
                        byte[] bytes = good.clone();
                        byte[] field = ByteBuffer.allocate(8)
                                .order(ByteOrder.LITTLE_ENDIAN)
                                .putLong(value)
                                .array();
                        System.arraycopy(field, 0, bytes, at, width);
                        check(bytes);
                    }
                }
            }
        }
    }

    /** Random bytes in random places, cut ends, parts left out, doubled or exchanged. */
    public void damageAtRandom(byte[] good, int end, int rounds, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        for (int round = 0; round < rounds; round++) {
            byte[] bytes = good.clone();
            for (int change = random.nextInt(1, 4); change > 0; change--) {
                bytes = damage(bytes, Math.min(end, bytes.length), random);
            }
            check(bytes);
        }
    }

    private static byte[] damage(byte[] bytes, int end, SplittableRandom random) {
        if (end < 2) {
            return new byte[random.nextInt(40)];
        }
        int at = random.nextInt(end);
        int length = random.nextInt(1, Math.min(end - at, 40) + 1);
        return switch (random.nextInt(6)) {
            case 0 -> Arrays.copyOf(bytes, at);
            case 1 -> splice(bytes, at, at + length, new byte[0]);
            case 2 -> splice(bytes, at, at, Arrays.copyOfRange(bytes, at, at + length));
            case 3 -> splice(bytes, at, at + length, Arrays.copyOfRange(bytes, 0, length));
            case 4 -> {
                byte[] noise = new byte[length];
                random.nextBytes(noise);
                yield splice(bytes, at, at + length, noise);
            }
            default -> {
                byte[] flipped = bytes.clone();
                flipped[at] ^= (byte) (1 << random.nextInt(8));
                yield flipped;
            }
        };
    }

    private static byte[] splice(byte[] bytes, int from, int to, byte[] middle) {
        byte[] result = new byte[bytes.length - (to - from) + middle.length];
        System.arraycopy(bytes, 0, result, 0, from);
        System.arraycopy(middle, 0, result, from, middle.length);
        System.arraycopy(bytes, to, result, from + middle.length, bytes.length - to);
        return result;
    }

    /** One file: read, or refused by name. */
    public void check(byte[] bytes) {
        files++;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment file = arena.allocate(Math.max(1, bytes.length)).asSlice(0, bytes.length);
            MemorySegment.copy(bytes, 0, file, ValueLayout.JAVA_BYTE, 0, bytes.length);
            boolean wasRefused = read(file);
            refused += wasRefused ? 1 : 0;
            long before = threads.getCurrentThreadAllocatedBytes();
            // A second time: what the first one allocated may have been the loading of classes.
            assertThat(read(file)).isEqualTo(wasRefused);
            assertThat(threads.getCurrentThreadAllocatedBytes() - before).isLessThan(MOST_BYTES);
        }
    }

    private boolean read(MemorySegment file) {
        try {
            reader.read(NAME, file);
            return false;
        } catch (CheckpointException e) {
            assertThat(e.getMessage()).startsWith(NAME + ": ").hasSizeLessThan(2000);
            return true;
        }
    }
}
