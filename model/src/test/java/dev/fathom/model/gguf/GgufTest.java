package dev.fathom.model.gguf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.fathom.engine.DType;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.quant.QuantizedType;
import dev.fathom.model.files.CheckpointException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class GgufTest {
    @TempDir
    Path folder;

    @Test
    void readsAFileBuiltByHand() throws Exception {
        Path file = Files.write(folder.resolve("hand.gguf"), GgufBytes.model());
        Gguf model = Gguf.open(file);
        assertThat(model.version()).isEqualTo(3);
        GgufMetadata metadata = model.metadata();
        assertThat(metadata.string("general.architecture")).isEqualTo("llama");
        assertThat(metadata.integer("a.u8")).isEqualTo(200);
        assertThat(metadata.integer("a.i8")).isEqualTo(-56);
        assertThat(metadata.integer("a.u16")).isEqualTo(65000);
        assertThat(metadata.integer("a.i16")).isEqualTo(-536);
        assertThat(metadata.integer("a.u32")).isEqualTo(4294967294L);
        assertThat(metadata.integer("a.i32")).isEqualTo(-2);
        assertThat(metadata.integer("a.i64")).isEqualTo(-1);
        assertThat(metadata.number("a.f32")).isEqualTo(1.5);
        assertThat(metadata.number("a.f64")).isEqualTo(0.1);
        assertThat(metadata.number("a.u8")).isEqualTo(200);
        assertThat(metadata.flag("a.bool")).isTrue();
        assertThat(metadata.strings("tokenizer.ggml.tokens")).containsExactly("a", "", "ü中🙂");
        assertThat(metadata.numbers("a.numbers")).containsExactly(0.5f, -1);
        assertThat(metadata.findString("none")).isEmpty();
        assertThat(metadata.isArray("a.nested")).isTrue();

        assertThat(model.names()).containsExactly("token_embd.weight", "norm", "scalar");
        GgufTensor embedding = model.get("token_embd.weight");
        assertThat(embedding.shape()).containsExactly(3L, 32L);
        assertThat(embedding.type()).isEqualTo(QuantizedType.Q8_0);
        assertThat(embedding.size()).isEqualTo(96);
        Tensor rows = embedding.toFloats();
        assertThat(new float[] {rows.get(0, 31), rows.get(1, 0), rows.get(2, 5)})
                .containsExactly(1, 2, 4);
        assertThat(model.get("norm").view().toFloats()).containsExactly(7, 8);
        assertThat(model.get("scalar").toFloats().toFloats()).containsExactly(1);
        Tensor wide = Tensor.zeros(DType.F32, 3, 40);
        embedding.copyTo(wide.columns(4, 36));
        assertThat(wide.get(2, 4)).isEqualTo(4);
        assertThat(wide.get(2, 3) + wide.get(2, 36)).isZero();

        // Names are shown as the file has them; every error says where.
        assertThatThrownBy(() -> metadata.string("a.u8"))
                .isInstanceOf(CheckpointException.class)
                .hasMessage(file + ": a.u8: found a value of type UINT8, expected a string");
        assertThatThrownBy(() -> metadata.integers("tokenizer.ggml.tokens"))
                .hasMessage(file + ": tokenizer.ggml.tokens: found an array of STRING, expected an array of integers");
        assertThatThrownBy(() -> metadata.integer("none"))
                .hasMessage(file + ": none: found nothing, expected an integer");
        assertThatThrownBy(() -> metadata.integer("a.u64"))
                .hasMessageContaining("found 18446744073709551615, expected an integer below 2^63");
        assertThatThrownBy(() -> metadata.size("a.i32")).hasMessageContaining("found -2");
        assertThatThrownBy(() -> model.get("none")).hasMessageContaining("tensor \"none\"");
        assertThatThrownBy(() -> embedding.view()).hasMessageContaining("found Q8_0, expected F32 or BF16");
        assertThatThrownBy(() -> embedding.copyTo(Tensor.zeros(DType.F32, 32, 3)))
                .hasMessageContaining("[3, 32]");
    }

    @Test
    void version2IsTheSame() throws Exception {
        byte[] bytes = GgufBytes.model();
        bytes[4] = 2;
        Gguf model = Gguf.open(Files.write(folder.resolve("v2.gguf"), bytes));
        assertThat(model.version()).isEqualTo(2);
        assertThat(model.tensors()).hasSize(3);
    }

    /** What is written comes back, metadata copied from another file included. */
    @Test
    void roundTrips() throws Exception {
        Gguf source = Gguf.open(Files.write(folder.resolve("hand.gguf"), GgufBytes.model()));
        Map<String, GgufValue> metadata = new LinkedHashMap<>(source.metadata().values());
        metadata.put("b.u32", GgufValue.uint32(4294967295L));
        metadata.put("b.f32", GgufValue.float32(-0.25f));
        metadata.put("b.bool", GgufValue.bool(false));
        metadata.put("b.string", GgufValue.string("é\n"));
        metadata.put("b.strings", GgufValue.strings(List.of("x", "", "中")));
        metadata.put("b.ints", GgufValue.int32s(new int[] {1, -1}));
        metadata.put("b.floats", GgufValue.float32s(new float[] {3, 4}));
        Path file = folder.resolve("copy.gguf");
        GgufWriter.write(
                file, metadata, source.tensors().stream().map(GgufTest::entry).toList());

        Gguf copy = Gguf.open(file);
        assertThat(copy.metadata().keys()).containsExactlyElementsOf(metadata.keySet());
        metadata.forEach((key, value) -> {
            GgufValue read = Objects.requireNonNull(copy.metadata().values().get(key));
            assertThat(read.type()).isEqualTo(value.type());
            assertThat(read.bytes().mismatch(value.bytes())).as(key).isEqualTo(-1);
        });
        assertThat(copy.metadata().strings("b.strings")).containsExactly("x", "", "中");
        assertThat(copy.metadata().integers("b.ints")).containsExactly(1, -1);
        assertThat(copy.metadata().numbers("b.floats")).containsExactly(3, 4);
        for (GgufTensor tensor : source.tensors()) {
            GgufTensor read = copy.get(tensor.name());
            assertThat(read.type()).isEqualTo(tensor.type());
            assertThat(read.shape()).isEqualTo(tensor.shape());
            assertThat(read.data().mismatch(tensor.data())).isEqualTo(-1);
            assertThat(read.data().address() % 64).isZero(); // general.alignment of the source
        }
    }

    private static GgufWriter.Entry entry(GgufTensor tensor) {
        return new GgufWriter.Entry(tensor.name(), tensor.type(), tensor.shape(), channel -> {
            ByteBuffer bytes = tensor.data().asByteBuffer();
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
        });
    }

    @Test
    void writesNothingThatItWouldNotRead() {
        Path file = folder.resolve("none.gguf");
        GgufWriter.Content nothing = channel -> {};
        GgufWriter.Entry good = new GgufWriter.Entry("a", QuantizedType.F32, List.of(1L), nothing);
        assertThatThrownBy(() -> GgufWriter.write(file, Map.of(), List.of(good, good)))
                .hasMessageContaining("second use");
        for (List<Long> shape : List.of(List.of(0L), List.of(33L), List.of(1L, 1L, 1L, 1L, 32L))) {
            GgufWriter.Entry bad = new GgufWriter.Entry("a", QuantizedType.Q8_0, shape, nothing);
            assertThatThrownBy(() -> GgufWriter.write(file, Map.of(), List.of(bad)))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContaining("found " + shape);
        }
        GgufWriter.Entry nameless = new GgufWriter.Entry("n".repeat(65), QuantizedType.F32, List.of(1L), nothing);
        assertThatThrownBy(() -> GgufWriter.write(file, Map.of(), List.of(nameless)))
                .hasMessageContaining("65 bytes");
        assertThatThrownBy(() -> GgufWriter.write(file, Map.of(), List.of(good)))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("wrote 0 bytes instead of 4");
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void aSplitModelIsOne() throws Exception {
        for (int part = 0; part < 3; part++) {
            Files.write(folder.resolve("m-0000" + (part + 1) + "-of-00003.gguf"), part(part, 3, 3));
        }
        Gguf model = Gguf.open(folder.resolve("m-00001-of-00003.gguf"));
        assertThat(model.names()).containsExactly("t0", "t1", "t2");
        assertThat(model.get("t2").toFloats().toFloats()).containsExactly(2);
        assertThat(model.metadata().string("general.architecture")).isEqualTo("llama");

        assertThatThrownBy(() -> Gguf.open(folder.resolve("m-00002-of-00003.gguf")))
                .hasMessageContaining("found part 2 of 3, expected the first part, named <name>-00001-of-00003.gguf");
        Path renamed = Files.copy(folder.resolve("m-00001-of-00003.gguf"), folder.resolve("renamed.gguf"));
        assertThatThrownBy(() -> Gguf.open(renamed)).hasMessageContaining("<name>-00001-of-00003.gguf");
        Files.write(folder.resolve("m-00002-of-00003.gguf"), part(2, 3, 3));
        assertThatThrownBy(() -> Gguf.open(folder.resolve("m-00001-of-00003.gguf")))
                .hasMessageContaining("m-00002-of-00003.gguf: split.no, split.count: found 2, 3, expected 1, 3");
        Files.delete(folder.resolve("m-00002-of-00003.gguf"));
        assertThatThrownBy(() -> Gguf.open(folder.resolve("m-00001-of-00003.gguf")))
                .hasMessage(folder.resolve("m-00002-of-00003.gguf") + ": no such file");
        Files.write(folder.resolve("n-00001-of-00002.gguf"), part(0, 2, 3));
        Files.write(folder.resolve("n-00002-of-00002.gguf"), part(1, 2, 3));
        assertThatThrownBy(() -> Gguf.open(folder.resolve("n-00001-of-00002.gguf")))
                .hasMessageContaining("split.tensors.count: found 3, expected 2");
    }

    private static byte[] part(int number, int count, int tensors) {
        return new GgufBytes()
                .header(3, 1, 4)
                .key("general.architecture", 8)
                .string("llama")
                .key("split.no", 2)
                .u16(number)
                .key("split.count", 2)
                .u16(count)
                .key("split.tensors.count", 5)
                .u32(tensors)
                .info("t" + number, 0, 0, 1)
                .pad(32)
                .f32(number)
                .bytes();
    }

    /** Files of others, where they are: beside the repository, or where FATHOM_SHARED says. */
    @Test
    void readsReleasedVocabularies() throws Exception {
        String shared = Objects.requireNonNullElse(System.getenv("FATHOM_SHARED"), "../../shared");
        Path vocabularies = Path.of(shared, "data", "vocab");
        assumeTrue(Files.isDirectory(vocabularies), () -> "no vocabularies in " + vocabularies.toAbsolutePath());
        try (Stream<Path> files = Files.list(vocabularies)) {
            List<Path> models =
                    files.filter(file -> file.toString().endsWith(".gguf")).toList();
            assertThat(models).isNotEmpty();
            List<Path> damaged =
                    models.stream().filter(GgufTest::wasConvertedAsText).toList();
            for (Path file : damaged) {
                assertThatThrownBy(() -> Gguf.open(file)).isInstanceOf(CheckpointException.class);
            }
            models.stream().filter(file -> !damaged.contains(file)).forEach(GgufTest::readVocabulary);
            assumeTrue(damaged.isEmpty(), () -> "damaged, every byte that is no UTF-8 was replaced: " + damaged);
        }
    }

    /** A GGUF file of some size has bytes above 127 in its numbers; one that is UTF-8 as a whole went through a text decoder. */
    private static boolean wasConvertedAsText(Path file) {
        try {
            StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(Files.readAllBytes(file)));
            return true;
        } catch (CharacterCodingException e) {
            return false;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void readVocabulary(Path file) {
        GgufMetadata metadata = Gguf.open(file).metadata();
        assertThat(metadata.string("tokenizer.ggml.model")).isEqualTo("gpt2");
        int tokens = metadata.strings("tokenizer.ggml.tokens").size();
        assertThat(tokens).isGreaterThan(50_000);
        assertThat(metadata.integers("tokenizer.ggml.token_type")).hasSize(tokens);
        assertThat(metadata.strings("tokenizer.ggml.merges")).allMatch(merge -> merge.contains(" "));
        assertThat(metadata.keys()).allMatch(key -> key.matches("[a-z0-9._-]+"));
    }
}
