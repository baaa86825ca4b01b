package dev.fathom.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.engine.Engine;
import dev.fathom.engine.Parameter;
import dev.fathom.engine.Precision;
import dev.fathom.engine.Tensor;
import dev.fathom.model.config.DeepseekConfig;
import dev.fathom.model.safetensors.NamedTensor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Names, shapes and number of the parameters, in memory and as a Hugging Face checkpoint shows them. */
class DeepseekParametersTest {
    private static Engine engine;

    static Stream<Named<DeepseekConfig>> configs() {
        return Stream.of(
                Named.of("latent query", TinyDeepseek.LATENT_QUERY),
                Named.of("direct query, tied head", TinyDeepseek.DIRECT_QUERY),
                Named.of("YaRN, no MTP", TinyDeepseek.YARN),
                Named.of("no dense layer", TinyDeepseek.ALL_EXPERTS));
    }

    @BeforeAll
    static void open() {
        engine = Engine.vector(Precision.F32, 1);
    }

    @AfterAll
    static void close() {
        engine.close();
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("configs")
    void thereAreAsManyAsTheConfigCounts(DeepseekConfig config) {
        DeepseekModel model = DeepseekModel.random(config, engine, 1);
        long expected = config.parameterCount() + config.mtpParameterCount();
        assertThat(model.parameters().count()).isEqualTo(expected);
        assertThat(model.checkpointTensors().stream()
                        .mapToLong(tensor -> tensor.view().size())
                        .sum())
                .isEqualTo(expected);
    }

    /** Every element of every parameter belongs to exactly one tensor of the checkpoint, and none to a copy. */
    @ParameterizedTest(name = "{0}")
    @MethodSource("configs")
    void theCheckpointIsAViewOfAllParameters(DeepseekConfig config) {
        DeepseekModel model = DeepseekModel.empty(config, engine);
        for (NamedTensor tensor : model.checkpointTensors()) {
            for (long row = 0; row < tensor.view().rows(); row++) {
                for (long column = 0; column < tensor.view().columns(); column++) {
                    tensor.view().set(row, column, tensor.view().get(row, column) + 1);
                }
            }
        }
        for (Parameter parameter : model.parameters()) {
            assertThat(parameter.value().toFloats()).as(parameter.name()).containsOnly(1);
        }
    }

    /** The names and shapes of DeepSeek-V3's released checkpoint, at this size. */
    @Test
    void theCheckpointHasTheReleasedNamesAndShapes() {
        DeepseekConfig config = TinyDeepseek.LATENT_QUERY; // layer 0 dense, layer 1 experts, layer 2 the MTP module
        Map<String, List<Long>> expected = new LinkedHashMap<>();
        expected.put("model.embed_tokens.weight", List.of(29L, 20L));
        for (int layer = 0; layer < 3; layer++) {
            String prefix = "model.layers." + layer + ".";
            expected.put(prefix + "input_layernorm.weight", List.of(20L));
            expected.put(prefix + "self_attn.q_a_proj.weight", List.of(11L, 20L));
            expected.put(prefix + "self_attn.q_a_layernorm.weight", List.of(11L));
            expected.put(prefix + "self_attn.q_b_proj.weight", List.of(3 * (6L + 4), 11L));
            expected.put(prefix + "self_attn.kv_a_proj_with_mqa.weight", List.of(7L + 4, 20L));
            expected.put(prefix + "self_attn.kv_a_layernorm.weight", List.of(7L));
            expected.put(prefix + "self_attn.kv_b_proj.weight", List.of(3 * (6L + 5), 7L));
            expected.put(prefix + "self_attn.o_proj.weight", List.of(20L, 3 * 5L));
            expected.put(prefix + "post_attention_layernorm.weight", List.of(20L));
            if (layer == 0) {
                putSwiGlu(expected, prefix + "mlp.", 27);
            } else {
                expected.put(prefix + "mlp.gate.weight", List.of(6L, 20L));
                expected.put(prefix + "mlp.gate.e_score_correction_bias", List.of(6L));
                for (int expert = 0; expert < 6; expert++) {
                    putSwiGlu(expected, prefix + "mlp.experts." + expert + ".", 9);
                }
                putSwiGlu(expected, prefix + "mlp.shared_experts.", 9);
            }
        }
        expected.put("model.norm.weight", List.of(20L));
        expected.put("lm_head.weight", List.of(29L, 20L));
        expected.put("model.layers.2.enorm.weight", List.of(20L));
        expected.put("model.layers.2.hnorm.weight", List.of(20L));
        expected.put("model.layers.2.eh_proj.weight", List.of(20L, 40L));
        expected.put("model.layers.2.shared_head.norm.weight", List.of(20L));
        // The release repeats the table and the head in the module (embed_tokens, shared_head.head); here there is one
        // of each.

        assertThat(shapes(DeepseekModel.empty(config, engine))).containsExactlyInAnyOrderEntriesOf(expected);
    }

    @Test
    void withoutQueryLatentOrOwnHeadTheirTensorsAreAbsent() {
        Map<String, List<Long>> shapes = shapes(DeepseekModel.empty(TinyDeepseek.DIRECT_QUERY, engine));
        assertThat(shapes).containsEntry("model.layers.0.self_attn.q_proj.weight", List.of(30L, 20L));
        assertThat(shapes).containsEntry("model.layers.1.mlp.shared_experts.up_proj.weight", List.of(18L, 20L));
        assertThat(shapes.keySet()).noneMatch(name -> name.contains("q_a_") || name.contains("q_b_"));
        assertThat(shapes).doesNotContainKey("lm_head.weight");
    }

    /** What the optimizer may not move, and what it may not shrink. */
    @Test
    void matricesDecayAndNormsDoNot() {
        for (Parameter parameter :
                DeepseekModel.empty(TinyDeepseek.LATENT_QUERY, engine).parameters()) {
            String name = parameter.name();
            assertThat(parameter.trained()).as(name).isEqualTo(!name.endsWith("e_score_correction_bias"));
            assertThat(parameter.decay()).as(name).isEqualTo(parameter.value().rank() > 1);
        }
    }

    /** Fresh weights: the configured deviation for matrices, ones for norms, zeros for routing biases. */
    @Test
    void freshWeights() {
        DeepseekConfig config =
                TinyDeepseek.shape().vocabSize(500).initializerRange(0.02).build();
        for (Parameter parameter : DeepseekModel.random(config, engine, 4).parameters()) {
            double[] values = TinyDeepseek.doubles(parameter.value());
            if (parameter.name().endsWith("norm.weight")) {
                assertThat(values).as(parameter.name()).containsOnly(1);
            } else if (!parameter.trained()) {
                assertThat(values).as(parameter.name()).containsOnly(0);
            } else {
                double squares = 0;
                for (double value : values) {
                    squares += value * value;
                }
                double deviation = Math.sqrt(squares / values.length);
                double tolerance = 0.02 * 4 / Math.sqrt(2.0 * values.length); // four standard errors
                assertThat(deviation).as(parameter.name()).isBetween(0.02 - tolerance, 0.02 + tolerance);
            }
        }
    }

    private static void putSwiGlu(Map<String, List<Long>> expected, String prefix, long inner) {
        expected.put(prefix + "gate_proj.weight", List.of(inner, 20L));
        expected.put(prefix + "up_proj.weight", List.of(inner, 20L));
        expected.put(prefix + "down_proj.weight", List.of(20L, inner));
    }

    private static Map<String, List<Long>> shapes(DeepseekModel model) {
        Map<String, List<Long>> shapes = new LinkedHashMap<>();
        for (NamedTensor named : model.checkpointTensors()) {
            Tensor tensor = named.view();
            List<Long> shape = new ArrayList<>();
            for (int axis = 0; axis < tensor.rank(); axis++) {
                shape.add(tensor.dim(axis));
            }
            assertThat(shapes.put(named.name(), shape))
                    .as("twice: " + named.name())
                    .isNull();
        }
        return shapes;
    }
}
