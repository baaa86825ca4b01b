package dev.fathom.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.engine.Engine;
import dev.fathom.engine.Precision;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.quant.Float8;
import dev.fathom.engine.quant.QuantizedType;
import dev.fathom.model.config.DeepseekConfig;
import dev.fathom.model.convert.ModelConverter;
import dev.fathom.model.files.Json;
import dev.fathom.model.gguf.Gguf;
import dev.fathom.model.gguf.GgufTensor;
import dev.fathom.model.gguf.GgufValue;
import dev.fathom.model.gguf.GgufWriter;
import dev.fathom.model.safetensors.NamedTensor;
import dev.fathom.model.safetensors.SafetensorsWriter;
import dev.fathom.model.safetensors.StoredType;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.node.ObjectNode;

/** Layouts of released files that we do not write ourselves: early GGUF files of DeepSeek models, and FP8 as DeepSeek-V3 and V3.1 have it. */
class ReleasedLayoutsTest {
    private static final int BLOCK = 128;

    private static Engine engine;

    @TempDir
    Path folder;

    @BeforeAll
    static void open() {
        engine = Engine.vector(Precision.F32, 2);
    }

    @AfterAll
    static void close() {
        engine.close();
    }

    static Stream<TinyRelease.Case> latentCases() {
        return TinyRelease.cases().filter(tiny -> tiny.deepseek() != null);
    }

    /** Early files describe heads as the report does, and have the up-projection in one, {@code attn_kv_b}. */
    @ParameterizedTest
    @MethodSource("latentCases")
    void theUpProjectionOfLatentsMayBeInOne(TinyRelease.Case tiny) throws IOException {
        DeepseekConfig config = tiny.deepseek();
        List<NamedTensor> tensors = TinyRelease.tensors(tiny, 21);
        Path directory = TinyRelease.write(folder.resolve("hf"), tiny, tensors);
        Path apart = folder.resolve("apart.gguf");
        ModelConverter.convert(directory, apart, QuantizedType.F32, engine);

        Gguf file = Gguf.open(apart);
        Map<String, GgufValue> metadata = new LinkedHashMap<>(file.metadata().values());
        String attention = "deepseek2.attention.";
        assertThat(metadata.remove(attention + "key_length_mla")).isNotNull();
        assertThat(metadata.remove(attention + "value_length_mla")).isNotNull();
        metadata.put(attention + "head_count_kv", GgufValue.uint32(config.numAttentionHeads()));
        metadata.put(attention + "key_length", GgufValue.uint32(config.queryKeyHeadDim()));
        metadata.put(attention + "value_length", GgufValue.uint32(config.valueHeadDim()));
        List<GgufWriter.Entry> entries = new ArrayList<>();
        for (GgufTensor tensor : file.tensors()) {
            if (tensor.name().endsWith("attn_k_b.weight")) {
                String layer = tensor.name().replaceFirst("blk\\.(\\d+)\\..*", "$1");
                Tensor joint = named(tensors, "model.layers." + layer + ".self_attn.kv_b_proj.weight");
                entries.add(new GgufWriter.Entry(
                        tensor.name().replace("attn_k_b", "attn_kv_b"),
                        QuantizedType.F32,
                        List.of(joint.rows(), joint.columns()),
                        channel -> write(channel, floats(joint.toFloats()))));
            } else if (!tensor.name().endsWith("attn_v_b.weight")) {
                entries.add(new GgufWriter.Entry(
                        tensor.name(),
                        tensor.type(),
                        tensor.shape(),
                        channel -> write(channel, tensor.data().asByteBuffer())));
            }
        }
        Path joint = folder.resolve("joint.gguf");
        GgufWriter.write(joint, metadata, entries);
        assertThat(Gguf.open(joint).names()).noneMatch(name -> name.contains("attn_k_b"));
        ReleasedModelTest.assertOracle(model(joint), tiny.oracle(TinyRelease.doubles(tensors)), 1e-5);
    }

    /** All matrices but table, head and routers in E4M3, with scales of 128 x 128 blocks: floats in V3, powers of two in V3.1. */
    @ParameterizedTest
    @EnumSource(names = {"F32", "F8_E8M0"})
    void matricesMayBeInFp8(StoredType scaleType) throws IOException {
        TinyRelease.Case tiny = wide();
        List<NamedTensor> tensors = TinyRelease.tensors(tiny, 22);
        Path directory = TinyRelease.write(folder.resolve("hf"), tiny, tensors);
        ObjectNode config = (ObjectNode) Json.MAPPER.readTree(Files.readAllBytes(directory.resolve("config.json")));
        ObjectNode quantization = config.putObject("quantization_config")
                .put("quant_method", "fp8")
                .put("fmt", "e4m3")
                .put("activation_scheme", "dynamic");
        quantization.putArray("weight_block_size").add(BLOCK).add(BLOCK);
        if (scaleType == StoredType.F8_E8M0) {
            quantization.put("scale_fmt", "ue8m0");
        }
        Files.write(directory.resolve("config.json"), Json.bytes(config));

        Map<String, double[]> decoded = TinyRelease.doubles(tensors);
        List<SafetensorsWriter.Entry> entries = new ArrayList<>();
        Random random = new Random(23);
        int matrices = 0;
        int blocks = 0;
        for (NamedTensor tensor : tensors) {
            List<Long> shape = new ArrayList<>();
            for (long size : tensor.view().shape()) {
                shape.add(size);
            }
            if (shape.size() < 2 || tensor.name().matches("model.embed_tokens.*|lm_head.*|.*mlp.gate.weight")) {
                entries.add(new SafetensorsWriter.Entry(
                        tensor.name(),
                        StoredType.F32,
                        shape,
                        channel -> write(channel, floats(tensor.view().toFloats()))));
                continue;
            }
            Scaled scaled = Scaled.random(shape, scaleType, random);
            decoded.put(tensor.name(), scaled.values);
            entries.add(new SafetensorsWriter.Entry(
                    tensor.name(),
                    StoredType.F8_E4M3,
                    shape,
                    channel -> write(channel, ByteBuffer.wrap(scaled.codes))));
            entries.add(new SafetensorsWriter.Entry(
                    tensor.name() + "_scale_inv",
                    scaleType,
                    shape.stream().map(Float8::blocks).toList(),
                    channel -> write(channel, ByteBuffer.wrap(scaled.scales))));
            matrices++;
            blocks += scaled.scales.length / scaleType.bytes();
        }
        assertThat(blocks).as("some matrices have several blocks").isGreaterThan(matrices);
        Files.delete(directory.resolve("model.safetensors"));
        SafetensorsWriter.writeEntries(directory, "model", entries, SafetensorsWriter.DEFAULT_SHARD_BYTES);
        ReleasedModelTest.assertOracle(model(directory), tiny.oracle(decoded), 1e-5);
    }

    /** Wider than one block. */
    private static TinyRelease.Case wide() {
        TinyRelease.Case tiny = TinyRelease.named("v3");
        DeepseekConfig config = tiny.deepseek().toBuilder()
                .hiddenSize(160)
                .intermediateSize(288)
                .numNextnPredictLayers(0)
                .build();
        return TinyRelease.Case.of("v3-wide", tiny.pre(), config);
    }

    /** @param values what codes and scales say */
    private record Scaled(byte[] codes, byte[] scales, double[] values) {
        static Scaled random(List<Long> shape, StoredType scaleType, Random random) {
            int rows = Math.toIntExact(shape.get(0));
            int columns = Math.toIntExact(shape.get(1));
            int across = Math.toIntExact(Float8.blocks(columns));
            float[] scales = new float[Math.toIntExact(Float8.blocks(rows)) * across];
            ByteBuffer stored =
                    ByteBuffer.allocate(scales.length * scaleType.bytes()).order(ByteOrder.LITTLE_ENDIAN);
            for (int i = 0; i < scales.length; i++) {
                int exponent = -3 - random.nextInt(2);
                scales[i] = Math.scalb(1f, exponent);
                if (scaleType == StoredType.F32) {
                    scales[i] *= 1 + 0.5f * random.nextFloat();
                    stored.putFloat(scales[i]);
                } else {
                    stored.put((byte) (127 + exponent));
                }
            }
            byte[] codes = new byte[rows * columns];
            random.nextBytes(codes);
            double[] values = new double[codes.length];
            for (int i = 0; i < codes.length; i++) {
                codes[i] = (byte) (codes[i] & 0x80 | (codes[i] & 0x7f) % 0x39); // at most 1
                values[i] =
                        Float8.fromE4m3(codes[i]) * (double) scales[i / columns / BLOCK * across + i % columns / BLOCK];
            }
            return new Scaled(codes, stored.array(), values);
        }
    }

    private static LanguageModel model(Path path) {
        return ReleasedModel.open(path, engine, ReleasedModel.Options.DEFAULT).model();
    }

    private static Tensor named(List<NamedTensor> tensors, String name) {
        return tensors.stream()
                .filter(tensor -> tensor.name().equals(name))
                .findAny()
                .orElseThrow()
                .view();
    }

    private static ByteBuffer floats(float[] values) {
        ByteBuffer bytes = ByteBuffer.allocate(Float.BYTES * values.length).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(values);
        return bytes;
    }

    private static void write(WritableByteChannel channel, ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }
}
