package dev.fathom.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.engine.Engine;
import dev.fathom.engine.Precision;
import dev.fathom.model.checkpoint.CheckpointReader;
import dev.fathom.model.config.LlamaConfig;
import dev.fathom.model.config.LlamaConfigFile;
import dev.fathom.model.files.Json;
import dev.fathom.model.safetensors.NamedTensor;
import dev.fathom.model.safetensors.SafetensorsWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Names, shapes and number of a Llama model's parameters as a Hugging Face checkpoint shows them. */
class LlamaParametersTest {
    private static Engine engine;

    static Stream<LlamaConfig> configs() {
        return Stream.of(TinyDense.LLAMA, TinyDense.QWEN2, TinyDense.QWEN3);
    }

    @BeforeAll
    static void open() {
        engine = Engine.vector(Precision.F32, 1);
    }

    @AfterAll
    static void close() {
        engine.close();
    }

    @ParameterizedTest
    @MethodSource("configs")
    void thereAreAsManyAsTheConfigCounts(LlamaConfig config) {
        assertThat(LlamaModel.empty(config, engine).parameters().count()).isEqualTo(config.parameterCount());
    }

    @Test
    void qwen2HasTheReleasedNamesAndShapes() {
        Map<String, List<Long>> expected = new LinkedHashMap<>();
        expected.put("model.embed_tokens.weight", List.of(31L, 24L)); // also the head
        for (int i = 0; i < 3; i++) {
            String layer = "model.layers." + i + ".";
            expected.put(layer + "input_layernorm.weight", List.of(24L));
            expected.put(layer + "self_attn.q_proj.weight", List.of(24L, 24L));
            expected.put(layer + "self_attn.k_proj.weight", List.of(8L, 24L));
            expected.put(layer + "self_attn.v_proj.weight", List.of(8L, 24L));
            expected.put(layer + "self_attn.q_proj.bias", List.of(24L));
            expected.put(layer + "self_attn.k_proj.bias", List.of(8L));
            expected.put(layer + "self_attn.v_proj.bias", List.of(8L));
            expected.put(layer + "self_attn.o_proj.weight", List.of(24L, 24L));
            expected.put(layer + "post_attention_layernorm.weight", List.of(24L));
            expected.put(layer + "mlp.gate_proj.weight", List.of(37L, 24L));
            expected.put(layer + "mlp.up_proj.weight", List.of(37L, 24L));
            expected.put(layer + "mlp.down_proj.weight", List.of(24L, 37L));
        }
        expected.put("model.norm.weight", List.of(24L));
        assertThat(shapes(LlamaModel.empty(TinyDense.QWEN2, engine))).isEqualTo(expected);
    }

    @Test
    void qwen3HasNormsOfHeadsAndAHead() {
        Map<String, List<Long>> shapes = shapes(LlamaModel.empty(TinyDense.QWEN3, engine));
        assertThat(shapes)
                .containsEntry("model.layers.1.self_attn.q_norm.weight", List.of(34L))
                .containsEntry("model.layers.1.self_attn.k_norm.weight", List.of(34L))
                .containsEntry("model.layers.0.self_attn.q_proj.weight", List.of(136L, 40L))
                .containsEntry("model.layers.0.self_attn.k_proj.weight", List.of(34L, 40L))
                .containsEntry("model.layers.0.self_attn.o_proj.weight", List.of(40L, 136L))
                .containsEntry("lm_head.weight", List.of(83L, 40L))
                .doesNotContainKey("model.layers.0.self_attn.q_proj.bias");
    }

    /** Through the files of a Hugging Face directory the weights come back to the bit. */
    @ParameterizedTest
    @MethodSource("configs")
    void theWeightsGoThroughAModelDirectory(LlamaConfig config, @TempDir Path folder) throws Exception {
        LlamaModel written = TinyDense.model(config, engine, 3);
        Files.write(folder.resolve("config.json"), Json.bytes(LlamaConfigFile.toJson(config)));
        SafetensorsWriter.write(folder, "model", written.checkpointTensors(), SafetensorsWriter.DEFAULT_SHARD_BYTES);

        LlamaModel read = LlamaModel.empty(LlamaConfig.read(folder.resolve("config.json")), engine);
        CheckpointReader.open(folder).readWeights(read.checkpointTensors());
        assertThat(read.parameters().values().toFloats())
                .isEqualTo(written.parameters().values().toFloats());
    }

    private static Map<String, List<Long>> shapes(TrainableModel model) {
        Map<String, List<Long>> shapes = new LinkedHashMap<>();
        for (NamedTensor tensor : model.checkpointTensors()) {
            shapes.put(
                    tensor.name(), LongStream.of(tensor.view().shape()).boxed().toList());
        }
        return shapes;
    }
}
