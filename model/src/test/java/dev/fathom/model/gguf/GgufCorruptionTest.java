package dev.fathom.model.gguf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.engine.quant.QuantizedType;
import dev.fathom.model.files.CheckpointException;
import dev.fathom.model.files.Mutations;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** A damaged or hostile file is a {@link CheckpointException} when it is opened: never another exception, never a huge allocation. */
class GgufCorruptionTest {
    @TempDir
    Path folder;

    static Stream<Arguments> damagedFiles() {
        long huge = Long.MAX_VALUE;
        return Stream.of(
                damaged("magic: found the end of the file at byte 0, expected 4 bytes", new GgufBytes()),
                damaged(
                        "magic: found bytes 504b0304, expected \"GGUF\"",
                        new GgufBytes().raw((byte) 'P', (byte) 'K', (byte) 3, (byte) 4)),
                damaged("version: found 1, expected 2 or 3", new GgufBytes().header(1, 0, 0)),
                damaged("version: found 4, expected 2 or 3", new GgufBytes().header(4, 0, 0)),
                damaged("version: found 3 in big-endian byte order", new GgufBytes().header(3 << 24, 0, 0)),
                damaged("version: found 4294967295", new GgufBytes().header(-1, 0, 0)),
                damaged("number of tensors: found 18446744073709551615", new GgufBytes().header(3, -1, 0)),
                damaged("number of tensors: found 9223372036854775807", new GgufBytes().header(3, huge, 0)),
                damaged("number of metadata entries: found 4097", new GgufBytes().header(3, 0, 4097)),
                damaged("key of metadata entry 0: length: found the end", new GgufBytes().header(3, 0, 1)),
                damaged(
                        "key of metadata entry 0: length: found 5000",
                        entries(1).u64(5000)),
                damaged(
                        "key of metadata entry 0: found the end of the file at byte 32, expected 9 bytes",
                        entries(1).u64(9)),
                damaged(
                        "key of metadata entry 0: found an empty string",
                        entries(1).u64(0).u32(4).u32(1)),
                damaged(
                        "key of metadata entry 0: found a string that is not UTF-8",
                        entries(1).u64(2).u16(0xffff)),
                damaged(
                        "metadata \"k\": type: found 13, expected 0 to 12",
                        entries(1).key("k", 13)),
                damaged(
                        "metadata \"k\": found the end of the file",
                        entries(1).key("k", 10).u32(1)),
                damaged(
                        "metadata \"k\": found byte 2, expected 0 or 1",
                        entries(1).key("k", 7).u8(2)),
                damaged(
                        "metadata \"k\": length: found 9223372036854775807",
                        entries(1).key("k", 8).u64(huge)),
                damaged(
                        "metadata \"k\": found a string that is not UTF-8",
                        entries(1).key("k", 8).u64(1).u8(0xc3)),
                damaged(
                        "metadata \"k\": found a second value, expected one",
                        entries(2).key("k", 0).u8(1).key("k", 0).u8(1)),
                damaged(
                        "metadata \"k\": element: type: found 99",
                        entries(1).key("k", 9).u32(99).u64(0)),
                damaged(
                        "metadata \"k\": length: found 4194305, expected at most 4194304",
                        entries(1).key("k", 9).u32(0).u64(4194305)),
                damaged(
                        "metadata \"k\": length: found 4000000 elements of STRING, expected no more than",
                        entries(1).key("k", 9).u32(8).u64(4000000)),
                damaged(
                        "metadata \"k\": found byte 7",
                        entries(1).key("k", 9).u32(7).u64(2).u8(1).u8(7)),
                damaged("arrays nested more than 8 deep", nested(9)),
                damaged(
                        "general.alignment: found 0, expected a power of two",
                        entries(1).key("general.alignment", 4).u32(0)),
                damaged(
                        "general.alignment: found 48",
                        entries(1).key("general.alignment", 4).u32(48)),
                damaged(
                        "general.alignment: found 4294967295",
                        entries(1).key("general.alignment", 4).u32(-1)),
                damaged(
                        "general.alignment: found a value of type STRING",
                        entries(1).key("general.alignment", 8).string("x")),
                damaged(
                        "name of tensor 0: length: found 65, expected at most 64",
                        tensors(1).info("n".repeat(65), 0, 0, 1)),
                damaged(
                        "tensor \"t\": rank: found 5, expected at most 4",
                        tensors(1).info("t", 0, 0, 1, 1, 1, 1, 1)),
                damaged(
                        "tensor \"t\": rank: found 4294967295",
                        tensors(1).string("t").u32(-1)),
                damaged(
                        "tensor \"t\": shape: found [3, 0]",
                        tensors(1).info("t", 0, 0, 0, 3).pad(32)),
                damaged(
                        "tensor \"t\": shape: found [18446744073709551615]",
                        tensors(1).info("t", 0, 0, -1)),
                damaged(
                        "tensor \"t\": shape: found [4294967296, 4294967296, 2], expected fewer than 2^63 bytes",
                        tensors(1).info("t", 0, 0, 2, 1L << 32, 1L << 32)),
                damaged(
                        "tensor \"t\": shape: found [2305843009213693952], expected fewer than 2^63 bytes of F32",
                        tensors(1).info("t", 0, 0, 1L << 61)),
                damaged(
                        "tensor \"t\": shape: found [2, 48], expected rows of whole Q8_0 blocks of 32",
                        tensors(1).info("t", 8, 0, 48, 2)),
                damaged(
                        "tensor \"t\": type: found 16 (IQ2_XXS), expected one of [F32, F16",
                        tensors(1).info("t", 16, 0, 256)),
                damaged(
                        "tensor \"t\": type: found 4 (Q4_2, removed from GGUF)",
                        tensors(1).info("t", 4, 0, 256)),
                damaged(
                        "tensor \"t\": type: found 77, an unknown type",
                        tensors(1).info("t", 77, 0, 256)),
                damaged(
                        "tensor \"t\": offset: found 32, expected 0",
                        tensors(1).info("t", 0, 32, 1).pad(32).pad(64).u32(0)),
                damaged(
                        "tensor \"u\": offset: found 4, expected 32, where",
                        tensors(2).info("t", 0, 0, 1).info("u", 0, 4, 1)),
                damaged(
                        "tensor \"t\": name: found a second use",
                        tensors(2).info("t", 0, 0, 1).info("t", 0, 32, 1)),
                damaged(
                        "tensor \"t\": data: found the end of the file",
                        tensors(1).info("t", 0, 0, 2).pad(32).u32(0)),
                damaged(
                        "tensor \"t\": data: found the end of the file",
                        tensors(1).info("t", 0, 0, 1L << 60).pad(32).u32(0)),
                damaged(
                        "tensor \"u\": shape: found [2000000000000000000], expected fewer than 2^63 bytes in all",
                        tensors(2)
                                .info("t", 0, 0, 2000000000000000000L)
                                .info("u", 0, 8000000000000000000L, 2000000000000000000L)));
    }

    private static Arguments damaged(String message, GgufBytes file) {
        return Arguments.of(message, file.bytes());
    }

    private static GgufBytes entries(int count) {
        return new GgufBytes().header(3, 0, count);
    }

    private static GgufBytes tensors(int count) {
        return new GgufBytes().header(3, count, 0);
    }

    private static GgufBytes nested(int depth) {
        GgufBytes file = entries(1).key("k", 9);
        for (int level = 1; level < depth; level++) {
            file.u32(9).u64(1);
        }
        return file.u32(0).u64(1).u8(1);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("damagedFiles")
    void namesTheDamage(String message, byte[] bytes) throws Exception {
        Path file = Files.write(folder.resolve("damaged.gguf"), bytes);
        assertThatThrownBy(() -> Gguf.open(file))
                .isInstanceOf(CheckpointException.class)
                .hasMessageStartingWith(file + ": ")
                .hasMessageContaining(message);
    }

    @Test
    void namesAMissingFileAndADirectory() {
        assertThatThrownBy(() -> Gguf.open(folder.resolve("none")))
                .isInstanceOf(CheckpointException.class)
                .hasMessage(folder.resolve("none") + ": no such file");
        assertThatThrownBy(() -> Gguf.open(folder))
                .isInstanceOf(CheckpointException.class)
                .hasMessage(folder + ": found a directory, expected a file");
    }

    @Test
    void everyTruncationIsFoundAtOpening() throws Exception {
        byte[] good = GgufBytes.model();
        for (int length = 0; length < good.length; length++) {
            Path file = Files.write(folder.resolve("cut.gguf"), Arrays.copyOf(good, length));
            assertThatThrownBy(() -> Gguf.open(file))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageStartingWith(file + ": ");
        }
    }

    /** Some thousand hostile files; a hundred thousand and more in {@link #everyFieldWithEveryValue}. */
    @Test
    @Timeout(value = 600, unit = TimeUnit.SECONDS, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
    void damagedFieldsAreRefused() {
        Mutations mutations = new Mutations(GgufCorruptionTest::readAll);
        mutations.overwriteFields(GgufBytes.model(), GgufBytes.model().length, 31);
        mutations.damageAtRandom(GgufBytes.model(), GgufBytes.model().length, 3000, 1);
        assertThat(mutations.files()).isGreaterThan(5000);
        assertThat(mutations.refused()).isBetween(mutations.files() / 2, mutations.files() - 1);
    }

    @Test
    @Tag("long")
    @Timeout(value = 600, unit = TimeUnit.SECONDS, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
    void everyFieldWithEveryValue() {
        Mutations mutations = new Mutations(GgufCorruptionTest::readAll);
        mutations.overwriteFields(GgufBytes.model(), GgufBytes.model().length, 1);
        mutations.damageAtRandom(GgufBytes.model(), GgufBytes.model().length, 100_000, 2);
        assertThat(mutations.files()).isGreaterThan(150_000);
        assertThat(mutations.refused()).isBetween(mutations.files() / 2, mutations.files() - 1);
    }

    /** Opens a file and decodes all of it. */
    private static void readAll(Path file, MemorySegment bytes) {
        GgufHeader header = GgufHeader.read(file, bytes);
        GgufMetadata metadata = header.metadata();
        for (String key : metadata.keys()) {
            decode(metadata, key);
        }
        try (Arena arena = Arena.ofConfined()) {
            for (GgufTensor tensor : header.tensors()) {
                QuantizedType type = tensor.type();
                MemorySegment floats = arena.allocate(4 * tensor.size());
                type.decode(tensor.data(), 0, floats, 0, tensor.size());
            }
        }
    }

    private static void decode(GgufMetadata metadata, String key) {
        GgufValue value = metadata.values().get(key);
        switch (value.type()) {
            case STRING -> metadata.string(key);
            case BOOL -> metadata.flag(key);
            case ARRAY -> {
                switch (value.elementType()) {
                    case STRING -> metadata.strings(key);
                    case BOOL, ARRAY -> value.length();
                    default -> metadata.numbers(key);
                }
            }
            default -> metadata.number(key);
        }
    }
}
