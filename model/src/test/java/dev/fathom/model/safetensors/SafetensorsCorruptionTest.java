package dev.fathom.model.safetensors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.engine.DType;
import dev.fathom.engine.Tensor;
import dev.fathom.model.files.CheckpointException;
import dev.fathom.model.files.Mutations;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** A damaged or hostile file is a {@link CheckpointException} when it is opened: never another exception, never a huge allocation. */
class SafetensorsCorruptionTest {
    @TempDir
    Path folder;

    static Stream<Arguments> damagedHeaders() {
        String good = "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}";
        return Stream.of(
                // header text, bytes of data, expected message
                damaged("", 0, "header: found nothing at its start, expected a JSON object"),
                damaged("[]", 0, "header: found byte 91 at its start"),
                damaged(" {}", 0, "header: found byte 32 at its start"),
                damaged("{", 0, "header: not valid JSON"),
                damaged("{" + good, 8, "header: not valid JSON"),
                damaged("{" + good + "} x", 8, "header: not valid JSON"),
                damaged("{" + good + "}{}", 8, "header: found START_OBJECT behind the JSON object"),
                damaged("{" + good + "," + good + "}", 8, "header: not valid JSON"),
                damaged(
                        "{\"a\":" + "[".repeat(5000) + "}",
                        8,
                        "tensor \"a\": entry: found an array, expected an object"),
                damaged(entry("F32", "[".repeat(5000), "[0,8]"), 8, "tensor \"a\": shape: found an array"),
                damaged("{\"" + "n".repeat(200_000) + "\":1}", 0, "header: not valid JSON"),
                damaged("{\"a\":null}", 0, "tensor \"a\": entry: found null, expected an object"),
                damaged("{\"a\":{}}", 0, "tensor \"a\": dtype: found nothing"),
                damaged("{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, "tensor \"a\": data_offsets: found nothing"),
                damaged("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", 8, "tensor \"a\": shape: found nothing"),
                damaged("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", 8, "header: not valid JSON"),
                damaged("{\"a\":{\"stride\":1}}", 8, "tensor \"a\": stride: found an unknown field"),
                damaged(
                        entry("F31", "[2]", "[0,8]"),
                        8,
                        "tensor \"a\": dtype: found \"F31\", expected one of [F64, F32"),
                damaged("{\"a\":{\"dtype\":3}}", 8, "tensor \"a\": dtype: found 3, expected one of"),
                damaged(entry("F32", "2", "[0,8]"), 8, "tensor \"a\": shape: found 2, expected an array of integers"),
                damaged(entry("F32", "[-2]", "[0,8]"), 8, "tensor \"a\": shape: found -2, expected integers from 0"),
                damaged(entry("F32", "[2.0]", "[0,8]"), 8, "tensor \"a\": shape: found 2.0"),
                damaged(entry("F32", "[\"2\"]", "[0,8]"), 8, "tensor \"a\": shape: found \"2\""),
                damaged(entry("F32", "[[2]]", "[0,8]"), 8, "tensor \"a\": shape: found an array"),
                damaged(
                        entry("F32", "[9223372036854775808]", "[0,8]"),
                        8,
                        "tensor \"a\": shape: found 9223372036854775808"),
                damaged(entry("F32", "[9223372036854775807]", "[0,8]"), 8, "expected fewer than 2^63 bytes of F32"),
                damaged(entry("F32", "[4294967296,4294967296]", "[0,0]"), 0, "expected fewer than 2^63 bytes of F32"),
                damaged(
                        entry("F32", "[" + "1,".repeat(40) + "2]", "[0,8]"),
                        8,
                        "tensor \"a\": shape: found more numbers"),
                damaged(entry("F32", "[3]", "[0,8]"), 8, "found 8 bytes [0, 8], expected 12 bytes for F32[3]"),
                damaged(entry("F32", "[0]", "[0,8]"), 8, "found 8 bytes [0, 8], expected 0 bytes for F32[0]"),
                damaged(entry("BF16", "[2]", "[0,8]"), 8, "found 8 bytes [0, 8], expected 4 bytes for BF16[2]"),
                damaged(
                        entry("F32", "[2]", "[8,0]"),
                        8,
                        "tensor \"a\": data_offsets: found [8, 0], expected [begin, end]"),
                damaged(entry("F32", "[2]", "[0]"), 8, "tensor \"a\": data_offsets: found [0], expected [begin, end]"),
                damaged(entry("F32", "[2]", "[0,8,8]"), 8, "tensor \"a\": data_offsets: found more numbers"),
                damaged(entry("F32", "[2]", "[-8,0]"), 8, "tensor \"a\": data_offsets: found -8"),
                damaged(
                        entry("F32", "[2]", "[0,8]"),
                        7,
                        "expected an end within the file's 7 bytes of data (truncated file?)"),
                damaged(
                        entry("F32", "[2]", "[0,8]"),
                        9,
                        "data: found 9 bytes, expected 8 bytes, the end of the last tensor"),
                damaged(entry("F32", "[2]", "[8,16]"), 16, "found begin 8, a gap, expected begin 0"),
                damaged(
                        "{" + good + ",\"b\":{\"dtype\":\"U8\",\"shape\":[9],\"data_offsets\":[7,16]}}",
                        16,
                        "tensor \"b\": data_offsets: found begin 7, an overlap, expected begin 8"),
                damaged(
                        "{" + good + ",\"b\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]}}",
                        8,
                        "an overlap, expected begin 8"),
                damaged("{}", 1, "data: found 1 bytes, expected 0 bytes"),
                damaged("{\"__metadata__\":3}", 0, "__metadata__: found 3, expected an object of strings"),
                damaged("{\"__metadata__\":{\"a\":[]}}", 0, "__metadata__.a: found an array, expected a string"));
    }

    private static Arguments damaged(String header, int dataBytes, String message) {
        return Arguments.of(header, dataBytes, message);
    }

    private static String entry(String type, String shape, String offsets) {
        return "{\"a\":{\"dtype\":\"" + type + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}}";
    }

    @ParameterizedTest(name = "{2}")
    @MethodSource("damagedHeaders")
    void namesTheDamage(String header, int dataBytes, String message) throws Exception {
        byte[] text = header.getBytes(StandardCharsets.UTF_8);
        refuse(bytes(text.length, text, dataBytes), message);
    }

    @Test
    void refusesImpossibleHeaderLengths() throws Exception {
        refuse(new byte[0], "file: found 0 bytes, expected at least the 8 bytes");
        refuse(new byte[7], "file: found 7 bytes");
        refuse(new byte[8], "header: found nothing");
        byte[] text = "{}".getBytes(StandardCharsets.UTF_8);
        refuse(bytes(3, text, 0), "header length: found 3, expected at most 2, the rest of the file (truncated file?)");
        refuse(bytes(100_000_001, text, 0), "header length: found 100000001, expected at most 100000000");
        refuse(bytes(Long.MAX_VALUE, text, 0), "header length: found 9223372036854775807");
        refuse(bytes(-1, text, 0), "header length: found 18446744073709551615");
        refuse(
                "version https://git-lfs.github.com/spec/v1\n".getBytes(StandardCharsets.UTF_8),
                "is this a safetensors file?");
    }

    @Test
    void refusesHeadersThatAreNotUtf8() throws Exception {
        byte[] wide = "{}".getBytes(StandardCharsets.UTF_16LE);
        refuse(bytes(wide.length, wide, 0), "header: found byte 123 at its start");
        byte[] broken = {'{', '"', (byte) 0xff, '"', ':', '1', '}'};
        refuse(bytes(broken.length, broken, 0), "header: not valid JSON");
    }

    @Test
    void namesAMissingFileAndADirectory() {
        assertThatThrownBy(() -> Safetensors.open(folder.resolve("none")))
                .isInstanceOf(CheckpointException.class)
                .hasMessage(folder.resolve("none") + ": no such file");
        assertThatThrownBy(() -> Safetensors.open(folder)).isInstanceOf(CheckpointException.class);
    }

    @Test
    void everyTruncationIsFoundAtOpening() throws Exception {
        byte[] good = goodFile();
        Path file = folder.resolve("cut.safetensors");
        for (int length = 0; length < good.length; length++) {
            Files.write(file, Arrays.copyOf(good, length));
            assertThatThrownBy(() -> Safetensors.open(file))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageStartingWith(file + ": ");
        }
    }

    /** Random damage to the header either goes unnoticed (a changed letter in a name) or is a {@link CheckpointException}. */
    @Test
    void randomDamageIsNeverAnotherException() throws Exception {
        byte[] file = goodFile();
        int headerBytes =
                (int) ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).getLong(0);
        byte[] good = Arrays.copyOfRange(file, 8, 8 + headerBytes);
        byte[] alphabet = "0123456789-+.eE\"\\{}[]:,tfn \u0000".getBytes(StandardCharsets.UTF_8);
        SplittableRandom random = new SplittableRandom(11);
        Path name = Path.of("fuzz.safetensors");
        int refused = 0;
        int rounds = 10_000;
        for (int round = 0; round < rounds; round++) {
            byte[] bytes = Arrays.copyOf(good, round % 10 == 0 ? random.nextInt(headerBytes + 1) : headerBytes);
            for (int change = random.nextInt(1, 5); change > 0 && bytes.length > 0; change--) {
                bytes[random.nextInt(bytes.length)] =
                        random.nextInt(3) == 0 ? (byte) random.nextInt(256) : alphabet[random.nextInt(alphabet.length)];
            }
            try {
                SafetensorsHeader.read(name, bytes, file.length - 8 - headerBytes);
            } catch (CheckpointException e) {
                refused++;
                assertThat(e.getMessage()).startsWith(name + ": ");
            }
        }
        assertThat(refused).isBetween(rounds / 2, rounds - 1);
    }

    /** Length, header and data damaged in every way; six thousand files, a hundred thousand in {@link #everyByteWithEveryValue}. */
    @Test
    void damagedFilesAreReadOrRefused() throws Exception {
        Mutations mutations = new Mutations(SafetensorsCorruptionTest::readAll);
        byte[] good = goodFile();
        mutations.overwriteFields(good, 8, 1);
        mutations.overwriteFields(good, good.length, 17);
        mutations.damageAtRandom(good, good.length, 3000, 1);
        assertThat(mutations.files()).isGreaterThan(5000);
        assertThat(mutations.refused()).isBetween(mutations.files() / 2, mutations.files() - 1);
    }

    @Test
    @Tag("long")
    void everyByteWithEveryValue() throws Exception {
        Mutations mutations = new Mutations(SafetensorsCorruptionTest::readAll);
        byte[] good = goodFile();
        mutations.overwriteFields(good, good.length, 1);
        mutations.damageAtRandom(good, good.length, 100_000, 2);
        assertThat(mutations.files()).isGreaterThan(130_000);
        assertThat(mutations.refused()).isBetween(mutations.files() / 2, mutations.files() - 1);
    }

    private static void readAll(Path file, MemorySegment bytes) {
        for (StoredTensor tensor : Safetensors.open(file, bytes).tensors()) {
            if (tensor.isConvertibleTo(DType.F32)) {
                tensor.toFloats();
            } else {
                assertThatThrownBy(tensor::toFloats).isInstanceOf(CheckpointException.class);
            }
        }
    }

    private void refuse(byte[] bytes, String message) throws Exception {
        Path file = folder.resolve("damaged.safetensors");
        Files.write(file, bytes);
        assertThatThrownBy(() -> Safetensors.open(file))
                .isInstanceOf(CheckpointException.class)
                .hasMessageStartingWith(file + ": ")
                .hasMessageContaining(message);
    }

    private byte[] goodFile() throws Exception {
        Path file = folder.resolve("good.safetensors");
        SafetensorsWriter.write(
                file,
                List.of(
                        new NamedTensor("model.embed_tokens.weight", Tensor.zeros(DType.F32, 3, 4)),
                        new NamedTensor("model.norm.weight", Tensor.zeros(DType.BF16, 5)),
                        new NamedTensor("empty", Tensor.zeros(DType.I32, 0, 7))));
        return Files.readAllBytes(file);
    }

    private static byte[] bytes(long headerLength, byte[] header, int dataBytes) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.writeBytes(ByteBuffer.allocate(8)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(headerLength)
                .array());
        out.writeBytes(header);
        out.writeBytes(new byte[dataBytes]);
        return out.toByteArray();
    }
}
