package dev.fathom.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.fathom.engine.Engine;
import dev.fathom.engine.KeyValueStore;
import dev.fathom.engine.Memory;
import dev.fathom.engine.Ops;
import dev.fathom.engine.Segments;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.Workspace;
import dev.fathom.engine.quant.Float8;
import dev.fathom.model.config.DeepseekConfig;
import dev.fathom.model.config.DeepseekConfigFile;
import dev.fathom.model.files.Json;
import dev.fathom.model.release.ModelSource;
import dev.fathom.model.safetensors.SafetensorsWriter;
import dev.fathom.model.safetensors.SafetensorsWriter.Entry;
import dev.fathom.model.safetensors.StoredType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A slice of DeepSeek-V3 at full width: one dense layer and one of 256 experts, in FP8 as it was released, some 12 GB. It is mapped, decodes, and tells how
 * long the whole would take, were it in memory: a token finds its experts on the disk the first time.
 */
@Tag("long")
class V3SliceTest {
    private static final long FREE_BYTES = 16_000_000_000L;
    private static final int VOCABULARY = 8192;
    private static final int LAYERS = 61;
    private static final int DENSE_LAYERS = 3;
    private static final int PROMPT = 16;
    private static final int NEW = 160;

    @TempDir
    Path folder;

    /** Numbers that matrices are made of: no E4M3 NaN among them, and none above 1. */
    private static final byte[] NOISE = noise();

    @Test
    void loadsAndDecodes() throws IOException {
        long free = Files.getFileStore(folder).getUsableSpace();
        assumeTrue(free > FREE_BYTES, "needs " + FREE_BYTES + " bytes of disk, there are " + free);
        DeepseekConfig config = DeepseekConfigFile.released("deepseek-v3").toBuilder()
                .numHiddenLayers(2)
                .firstKDenseReplace(1)
                .numNextnPredictLayers(0)
                .vocabSize(VOCABULARY)
                .build();
        Path directory = write(config);
        long began = System.nanoTime();
        try (Engine engine = Engine.open(
                Engine.PrecisionChoice.AUTO, "auto", Runtime.getRuntime().availableProcessors())) {
            ModelSource source = ModelSource.open(directory);
            LanguageModel model = Architecture.of(source).open(source, engine);
            double loaded = seconds(began);
            List<KeyValueStore> stores = new ArrayList<>();
            for (int i = 0; i < model.numHiddenLayers(); i++) {
                stores.add(model.allocateKeyValues(PROMPT + NEW));
            }
            Workspace workspace = new Workspace();
            double[][] times = new double[NEW + 1][];
            int[] rows = new SplittableRandom(1).ints(PROMPT, 0, VOCABULARY).toArray();
            int length = 0;
            for (int n = 0; n <= NEW; n++) {
                workspace.reset();
                long[] starts = new long[4];
                Ops ops = model.inference(workspace);
                Segments segments =
                        new Segments(1, new int[1], new int[] {rows.length}, new int[] {length}, new long[1]);
                Batch batch = Batch.of(List.of(rows), segments, new boolean[] {n > 0}, workspace);
                LanguageModel.States states = model.forward(ops, batch, model.newRoutingLog(), layer -> {
                    starts[layer] = System.nanoTime();
                    return stores.get(layer);
                });
                starts[2] = System.nanoTime();
                float[] logits = ops.logits(
                                ops.selectRows(states.normed(), Tensor.of(new int[] {rows.length - 1})), model.head())
                        .toFloats();
                starts[3] = System.nanoTime();
                times[n] = new double[] {
                    1e-9 * (starts[1] - starts[0]), 1e-9 * (starts[2] - starts[1]), 1e-9 * (starts[3] - starts[2])
                };
                int best = 0;
                for (int i = 0; i < logits.length; i++) {
                    assertThat(logits[i]).isFinite();
                    best = logits[i] > logits[best] ? i : best;
                }
                length += rows.length;
                rows = new int[] {best};
            }
            double dense = quantile(times, 0, 0.5);
            double mixture = quantile(times, 1, 0.25);
            double head = quantile(times, 2, 0.5) * taller();
            double token = DENSE_LAYERS * dense + (LAYERS - DENSE_LAYERS) * mixture + head;
            long bytes = layerBytes(config);
            System.getLogger(V3SliceTest.class.getName())
                    .log(
                            System.Logger.Level.INFO,
                            String.format(
                                    "%s; opened in %.2f s; a prompt of %d: dense layer %.3f s, mixture %.3f s; of %d tokens: dense layer %.1f ms"
                                            + " (median), %.0f MB, %.1f GB/s; mixture as much in %.1f ms (best quarter: experts in memory already), %.1f ms"
                                            + " (median); head of V3 %.1f ms; all %d layers %.2f s a token",
                                    engine.describe(),
                                    loaded,
                                    PROMPT,
                                    times[0][0],
                                    times[0][1],
                                    NEW,
                                    1e3 * dense,
                                    1e-6 * bytes,
                                    1e-9 * bytes / dense,
                                    1e3 * mixture,
                                    1e3 * quantile(times, 1, 0.5),
                                    1e3 * head,
                                    LAYERS,
                                    token));
            assertThat(length).isEqualTo(PROMPT + NEW);
        }
    }

    /** How much taller V3's own head is. */
    private static double taller() {
        return (double) DeepseekConfigFile.released("deepseek-v3").vocabSize() / VOCABULARY;
    }

    private static double seconds(long since) {
        return 1e-9 * (System.nanoTime() - since);
    }

    /** Of the generated tokens. */
    private static double quantile(double[][] times, int part, double share) {
        return Arrays.stream(times, 1, times.length)
                .mapToDouble(time -> time[part])
                .sorted()
                .skip((long) (share * NEW))
                .findFirst()
                .orElseThrow();
    }

    /** Bytes of the matrices of a dense layer: as many as a token reads of a mixture, where a shared expert and eight others are nine of a ninth of the width. */
    private static long layerBytes(DeepseekConfig config) {
        return DeepseekParameters.declare(config).shapes().entrySet().stream()
                .filter(entry -> entry.getKey().startsWith("model.layers.0.") && entry.getValue().length == 2)
                .mapToLong(entry -> entry.getValue()[0] * entry.getValue()[1])
                .sum();
    }

    private Path write(DeepseekConfig config) throws IOException {
        Path directory = Files.createDirectories(folder.resolve("slice"));
        Files.write(directory.resolve("config.json"), Json.bytes(DeepseekConfigFile.toJson(config)));
        List<Entry> entries = new ArrayList<>();
        DeepseekParameters.declare(config).shapes().forEach((name, shape) -> {
            boolean matrix = shape.length > 1 && !name.endsWith("mlp.gate.weight");
            boolean scaled = matrix && !name.startsWith("model.embed") && !name.startsWith("lm_head");
            int copies = shape.length == 3 ? (int) shape[0] : 1;
            for (int i = 0; i < copies; i++) {
                String own = shape.length == 3 ? name.replace(".experts.", ".experts." + i + ".") : name;
                for (TensorPart part : DeepseekParameters.parts(own, shape[shape.length == 3 ? 1 : 0])) {
                    List<Long> dimensions =
                            shape.length == 1 ? List.of(shape[0]) : List.of(part.rows(), shape[shape.length - 1]);
                    if (scaled) {
                        entries.add(matrix(part.name(), dimensions));
                        entries.add(scales(part.name() + "_scale_inv", dimensions));
                    } else {
                        boolean tall = matrix && !scaled; // table and head are bf16
                        entries.add(
                                tall
                                        ? rounded(part.name(), dimensions)
                                        : floats(
                                                part.name(),
                                                dimensions,
                                                shape.length == 1 && !name.endsWith("bias") ? 1 : 0.02f));
                    }
                }
            }
        });
        SafetensorsWriter.writeEntries(directory, "model", entries, SafetensorsWriter.DEFAULT_SHARD_BYTES);
        return directory;
    }

    private static Entry matrix(String name, List<Long> shape) {
        return new Entry(name, StoredType.F8_E4M3, shape, channel -> {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment noise = arena.allocate(NOISE.length).copyFrom(MemorySegment.ofArray(NOISE));
                long left = shape.get(0) * shape.get(1);
                long at = Math.floorMod(name.hashCode(), NOISE.length / 2);
                while (left > 0) {
                    long count = Math.min(left, NOISE.length - at);
                    writeAll(channel, noise.asSlice(at, count));
                    left -= count;
                    at = 0;
                }
            }
        });
    }

    private static Entry scales(String name, List<Long> shape) {
        List<Long> blocks = shape.stream().map(Float8::blocks).toList();
        return floats(name, blocks, 0.02f);
    }

    /** Random numbers around zero. */
    private static Entry rounded(String name, List<Long> shape) {
        return new Entry(name, StoredType.BF16, shape, channel -> {
            SplittableRandom random = new SplittableRandom(name.hashCode());
            long row = shape.getLast();
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment numbers = arena.allocate(Short.BYTES * row, Memory.ALIGNMENT);
                for (long from = 0; from < shape.getFirst(); from++) {
                    for (long i = 0; i < row; i++) {
                        float value = 0.02f * (float) (2 * random.nextDouble() - 1);
                        numbers.setAtIndex(ValueLayout.JAVA_SHORT, i, Memory.toBf16(value));
                    }
                    writeAll(channel, numbers);
                }
            }
        });
    }

    /** Random but for norms, which are 1. */
    private static Entry floats(String name, List<Long> shape, float size) {
        boolean norm = name.endsWith("norm.weight");
        return new Entry(name, StoredType.F32, shape, channel -> {
            SplittableRandom random = new SplittableRandom(name.hashCode());
            long count = shape.stream().reduce(1L, Math::multiplyExact);
            long row = shape.getLast();
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment floats = arena.allocate(Float.BYTES * row, Memory.ALIGNMENT);
                for (long from = 0; from < count; from += row) {
                    for (long i = 0; i < row; i++) {
                        float value = norm || name.endsWith("_scale_inv")
                                ? size
                                : size * (float) (2 * random.nextDouble() - 1);
                        floats.setAtIndex(ValueLayout.JAVA_FLOAT, i, value);
                    }
                    writeAll(channel, floats);
                }
            }
        });
    }

    private static void writeAll(FileChannel channel, MemorySegment bytes) throws IOException {
        var buffer = bytes.asByteBuffer();
        while (buffer.hasRemaining()) {
            channel.write(buffer);
        }
    }

    private static byte[] noise() {
        byte[] noise = new byte[1 << 26];
        new SplittableRandom(7).nextBytes(noise);
        for (int i = 0; i < noise.length; i++) {
            noise[i] = (byte) (noise[i] & 0x80 | (noise[i] & 0x7f) % 0x39); // 0x38 is 1
        }
        return noise;
    }
}
