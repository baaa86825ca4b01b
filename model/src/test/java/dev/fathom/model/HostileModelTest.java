package dev.fathom.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.engine.DType;
import dev.fathom.engine.Engine;
import dev.fathom.engine.Precision;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.quant.QuantizedType;
import dev.fathom.model.convert.ModelConverter;
import dev.fathom.model.files.ModelFileException;
import dev.fathom.model.safetensors.NamedTensor;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Models whose files are not what they say: opened, or refused with a message that names the file; never another exception, a read outside the file or
 * memory that the file does not account for.
 */
class HostileModelTest {
    private static final long[] VALUES = {0, 1, 2, 3, 7, 33, 255, 4097, 1 << 20, Integer.MAX_VALUE, 1L << 40, -1};

    private static Engine engine;

    @TempDir
    Path folder;

    @BeforeAll
    static void open() {
        engine = Engine.vector(Precision.F32, 1);
    }

    @AfterAll
    static void close() {
        engine.close();
    }

    static Stream<TinyRelease.Case> cases() {
        return TinyRelease.cases();
    }

    private static LanguageModel model(Path path) {
        return ReleasedModel.open(path, engine, ReleasedModel.Options.DEFAULT).model();
    }

    @ParameterizedTest
    @MethodSource("cases")
    void everyTensorIsNeededAndCheckedAndNoOther(TinyRelease.Case tiny) throws IOException {
        List<NamedTensor> good = TinyRelease.tensors(tiny, 1);
        Path directory = TinyRelease.write(folder.resolve("hf"), tiny, good);
        Path weights = directory.resolve("model.safetensors");
        for (int i = 0; i < good.size(); i++) {
            NamedTensor tensor = good.get(i);
            if (tensor.name().matches(".*experts\\.([2-9]|1\\d)\\..*")
                    || tensor.name().endsWith("eh_proj.weight")) {
                continue; // like the first two experts; without eh_proj, the module's other tensors are too many
            }
            List<NamedTensor> missing = new ArrayList<>(good);
            missing.remove(i);
            TinyRelease.write(directory, tiny, missing);
            assertThatThrownBy(() -> model(directory))
                    .as(tensor.name())
                    .isInstanceOf(ModelFileException.class)
                    .hasMessageContaining(weights.toString())
                    .hasMessageContaining(tensor.name());
            long[] shape = tensor.view().shape();
            shape[0]++;
            List<NamedTensor> reshaped = new ArrayList<>(good);
            reshaped.set(i, new NamedTensor(tensor.name(), Tensor.zeros(DType.F32, shape)));
            TinyRelease.write(directory, tiny, reshaped);
            assertThatThrownBy(() -> model(directory))
                    .as(tensor.name())
                    .isInstanceOf(ModelFileException.class)
                    .hasMessageContaining(weights.toString())
                    .hasMessageContaining(tensor.name())
                    .hasMessageContaining("found " + Arrays.toString(shape))
                    .hasMessageContaining(
                            "expected " + Arrays.toString(tensor.view().shape()));
        }
        List<NamedTensor> more = new ArrayList<>(good);
        more.add(new NamedTensor("model.layers.0.self_attn.sinks", Tensor.zeros(DType.F32, 4)));
        TinyRelease.write(directory, tiny, more);
        assertThatThrownBy(() -> model(directory))
                .isInstanceOf(ModelFileException.class)
                .hasMessageContaining("model.layers.0.self_attn.sinks")
                .hasMessageContaining("expected none of this name");
        List<NamedTensor> integers = new ArrayList<>(good);
        NamedTensor first = good.getFirst();
        integers.set(
                0,
                new NamedTensor(
                        first.name(), Tensor.zeros(DType.I32, first.view().shape())));
        TinyRelease.write(directory, tiny, integers);
        assertThatThrownBy(() -> model(directory))
                .isInstanceOf(ModelFileException.class)
                .hasMessageContaining("dtype: found I32");
    }

    /** What the config refuses by itself, too, after it was read. */
    @Test
    void aConfigThatIsNotRunIsRefusedWithTheNameOfItsFile() throws IOException {
        Path directory = TinyRelease.write(folder.resolve("v3"), TinyRelease.named("v3"), 1);
        Path config = directory.resolve("config.json");
        String good = Files.readString(config);
        String two = good.replaceFirst("(\"num_nextn_predict_layers\" *: *)1", "$1" + 2);
        assertThat(two).isNotEqualTo(good);
        Files.writeString(config, two);
        assertThatThrownBy(() -> model(directory))
                .isInstanceOf(ModelFileException.class)
                .hasMessageContaining(config + ": num_nextn_predict_layers: found 2");
    }

    @Test
    void damagedFilesAreReadOrRefused() throws IOException {
        damage(300, 1);
    }

    @Test
    @Tag("long")
    void manyDamagedFilesAreReadOrRefused() throws IOException {
        damage(10_100, 2);
    }

    /** Headers, configs and data of every architecture, in both formats. */
    private void damage(int rounds, long seed) throws IOException {
        int refused = 0;
        int files = 0;
        for (TinyRelease.Case tiny : TinyRelease.cases().toList()) {
            Path directory = TinyRelease.write(folder.resolve(tiny.name()), tiny, 1);
            Path gguf = folder.resolve(tiny.name() + ".gguf");
            ModelConverter.convert(directory, gguf, QuantizedType.Q8_0, engine);
            SplittableRandom random = new SplittableRandom(seed);
            byte[] config = Files.readAllBytes(directory.resolve("config.json"));
            byte[] weights = Files.readAllBytes(directory.resolve("model.safetensors"));
            byte[] file = Files.readAllBytes(gguf);
            int header = (int) ByteBuffer.wrap(weights)
                            .order(ByteOrder.LITTLE_ENDIAN)
                            .getLong()
                    + 8;
            for (int round = 0; round < rounds; round++) {
                int kind = random.nextInt(3);
                Path opened = kind == 2 ? gguf : directory;
                Path changed = switch (kind) {
                    case 0 -> directory.resolve("config.json");
                    case 1 -> directory.resolve("model.safetensors");
                    default -> gguf;
                };
                byte[] good = kind == 0 ? config : kind == 1 ? weights : file;
                int end = kind == 0 ? config.length : kind == 1 ? header : (int) headerOf(file);
                Files.write(changed, kind == 0 ? otherNumber(good, random) : damaged(good, end, random));
                files++;
                try {
                    model(opened);
                } catch (ModelFileException e) {
                    assertThat(e.getMessage()).hasSizeLessThan(4000).contains(folder.toString());
                    refused++;
                } catch (RuntimeException e) {
                    throw new AssertionError(tiny + ", round " + round + ", " + changed, e);
                }
                Files.write(changed, good);
            }
        }
        assertThat(files).isEqualTo(rounds * (int) TinyRelease.cases().count());
        assertThat(refused).isBetween(files / 2, files - 1);
    }

    /** Where the names of the tokenizer's tokens begin, or the tensors: of the first ones damage says little. */
    private static long headerOf(byte[] gguf) {
        return Math.min(gguf.length, 14_000);
    }

    /** A config with another number, word or end. */
    private static byte[] otherNumber(byte[] json, SplittableRandom random) {
        String text = new String(json, StandardCharsets.UTF_8);
        List<int[]> numbers = new ArrayList<>();
        var matcher =
                Pattern.compile(": *(-?[0-9.eE-]+|true|false|null|\"[^\"]*\")").matcher(text);
        while (matcher.find()) {
            numbers.add(new int[] {matcher.start(1), matcher.end(1)});
        }
        int[] place = numbers.get(random.nextInt(numbers.size()));
        String[] others = {
            "0",
            "1",
            "2",
            "-1",
            "17",
            "64",
            "128",
            "4096",
            "1048576",
            "99999999999",
            "1e300",
            "0.5",
            "true",
            "null",
            "\"x\"",
            "[]",
            "{}"
        };
        String other = others[random.nextInt(others.length)];
        String changed = text.substring(0, place[0]) + other + text.substring(place[1]);
        return changed.getBytes(StandardCharsets.UTF_8);
    }

    private static byte[] damaged(byte[] good, int end, SplittableRandom random) {
        byte[] bytes = good.clone();
        int at = random.nextInt(end);
        switch (random.nextInt(4)) {
            case 0 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
            case 1 -> {
                byte[] value = ByteBuffer.allocate(8)
                        .order(ByteOrder.LITTLE_ENDIAN)
                        .putLong(VALUES[random.nextInt(VALUES.length)])
                        .array();
                int width = 1 << random.nextInt(4);
                System.arraycopy(value, 0, bytes, at, Math.min(width, bytes.length - at));
            }
            case 2 -> bytes = Arrays.copyOf(bytes, random.nextInt(bytes.length));
            default -> {
                int length = random.nextInt(1, 20);
                for (int i = at; i < Math.min(bytes.length, at + length); i++) {
                    bytes[i] = (byte) random.nextInt();
                }
            }
        }
        return bytes;
    }
}
