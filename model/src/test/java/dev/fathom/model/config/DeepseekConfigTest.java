package dev.fathom.model.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.engine.Routing;
import dev.fathom.model.files.Json;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.node.ObjectNode;

class DeepseekConfigTest {
    private static final DeepseekConfig V3 = DeepseekConfigFile.released("deepseek-v3");
    private static final DeepseekConfig V2 = DeepseekConfigFile.released("deepseek-v2");
    private static final DeepseekConfig LITE = DeepseekConfigFile.released("deepseek-v2-lite");

    @Test
    void countsTheParametersOfTheReleasedModels() {
        assertThat(V3.parameterCount()).isEqualTo(671_026_419_200L);
        assertThat(V3.mtpParameterCount()).isEqualTo(11_610_068_224L);
        assertThat(V2.parameterCount()).isEqualTo(235_741_434_880L);
        assertThat(LITE.parameterCount()).isEqualTo(15_706_484_224L);
        assertThat(LITE.mtpParameterCount()).isZero();
    }

    @Test
    void countsActivatedParametersWithoutTheInputTable() {
        assertThat(V3.activeParameterCount() / 1e9).isCloseTo(36.63, within(0.005));
        assertThat(V2.activeParameterCount() / 1e9).isCloseTo(20.85, within(0.005));
        assertThat(LITE.activeParameterCount() / 1e9).isCloseTo(2.45, within(0.005));
    }

    @Test
    void tiedTablesAreCountedOnce() {
        DeepseekConfig tied = LITE.toBuilder().tieWordEmbeddings(true).build();
        long table = 102_400L * 2048;
        assertThat(tied.parameterCount()).isEqualTo(LITE.parameterCount() - table);
        assertThat(tied.activeParameterCount()).isEqualTo(LITE.activeParameterCount());
    }

    @Test
    void cacheSizeOfV3IsThePublishedOne() {
        assertThat(V3.keyValueBytesPerToken(2)).isEqualTo(70_272);
    }

    @Test
    void attentionScaleHasTheSquareOfYarnsTemperature() {
        assertThat(V3.ropeScaling().attentionFactor()).isCloseTo(1.368888, within(1e-6));
        assertThat(V3.attentionScale()).isCloseTo(0.135234, within(1e-6));
        DeepseekConfig plain = V3.toBuilder().ropeScaling(null).build();
        assertThat(plain.attentionScale()).isEqualTo(1 / Math.sqrt(192));
    }

    @Test
    void yarnSlowsOnlyThePairsThatTurnRarely() {
        double[] plain = V3.toBuilder().ropeScaling(null).build().ropeFrequencies();
        double[] yarn = V3.ropeFrequencies();
        assertThat(yarn).hasSize(32);
        assertThat(plain[0]).isEqualTo(1);
        assertThat(plain[16]).isCloseTo(0.01, within(1e-15));
        for (int pair = 0; pair < 32; pair++) { // low = 10, high = 23 (facts, V3 inference/model.py)
            double ramp = Math.clamp((pair - 10) / 13.0, 0, 1);
            double expected = plain[pair] / 40 * ramp + plain[pair] * (1 - ramp);
            assertThat(yarn[pair]).isCloseTo(expected, within(expected * 1e-12));
        }
    }

    @Test
    void knowsWhichLayersHaveExperts() {
        assertThat(V3.isMoeLayer(2)).isFalse();
        assertThat(V3.isMoeLayer(3)).isTrue();
        assertThat(V3.isMoeLayer(61)).as("multi-token prediction").isTrue();
    }

    @Test
    void routingIsTheEnginesAndTrainedForV3Only() {
        assertThat(V3.routing()).isEqualTo(new Routing(256, 8, 8, 4, true, 2.5f));
        assertThat(LITE.routing()).isEqualTo(new Routing(64, 6, 1, 1, false, 1, Routing.Scoring.SOFTMAX));
        assertThat(V3.requireTrainable()).isSameAs(V3);
        assertThatThrownBy(LITE::requireTrainable)
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("topk_method: found \"greedy\"");
    }

    @ParameterizedTest
    @ValueSource(strings = {"deepseek-v3", "deepseek-v2", "deepseek-v2-lite"})
    void writtenConfigReadsBackTheSame(String name, @TempDir Path folder) throws Exception {
        DeepseekConfig config = DeepseekConfigFile.released(name);
        Path file = folder.resolve("config.json");
        Files.write(file, Json.bytes(DeepseekConfigFile.toJson(config)));
        assertThat(DeepseekConfig.read(file)).isEqualTo(config);
    }

    @Test
    void builderMakesASmallV3() {
        DeepseekConfig small = DeepseekConfig.builder().vocabSize(64).build();
        assertThat(DeepseekConfigFile.parse(DeepseekConfigFile.toJson(small), "x"))
                .isEqualTo(small);
        assertThat(small.toBuilder().build()).isEqualTo(small);
        assertThat(small.routing().experts()).isEqualTo(16);
        assertThat(small.withVocabulary(100, 1, 2).eosTokenId()).isEqualTo(2);
    }

    @Test
    void readsWhatTransformers5Writes() {
        ObjectNode json = DeepseekConfigFile.toJson(V3);
        ObjectNode rope = (ObjectNode) json.remove("rope_scaling");
        rope.set("rope_theta", json.remove("rope_theta"));
        json.set("rope_parameters", rope);
        json.put("dtype", json.remove("torch_dtype").stringValue());
        json.remove("scoring_func");
        json.remove("topk_method");
        json.put("head_dim", 64);
        json.put("qk_head_dim", 192);
        json.put("rope_interleave", true);
        assertThat(DeepseekConfigFile.parse(json, "x")).isEqualTo(V3);
        json.putObject("rope_parameters").put("rope_type", "default").put("rope_theta", 10000);
        assertThat(DeepseekConfigFile.parse(json, "x").ropeScaling()).isNull();
    }

    static Stream<Arguments> mistakes() {
        return Stream.of(
                mistake(
                        "quantization_config.weight_block_size: found",
                        json -> json.putObject("quantization_config").put("quant_method", "fp8")),
                mistake("attention_bias: found true, expected false", json -> json.put("attention_bias", true)),
                mistake("hidden_act: found \"gelu\", expected \"silu\"", json -> json.put("hidden_act", "gelu")),
                mistake("attention_dropout: found 0.1, expected 0.0", json -> json.put("attention_dropout", 0.1)),
                mistake("moe_layer_freq: found 2, expected 1", json -> json.put("moe_layer_freq", 2)),
                mistake("rope_interleave: found false, expected true", json -> json.put("rope_interleave", false)),
                mistake("index_topk: unknown key with value 2048", json -> json.put("index_topk", 2048)),
                mistake(
                        "model_type: found \"llama\", expected \"deepseek_v3\"",
                        json -> json.put("model_type", "llama")),
                mistake("model_type: found no such key", json -> json.remove("model_type")),
                mistake(
                        "architectures: found [\"X\"]",
                        json -> json.putArray("architectures").add("X")),
                mistake("hidden_size: found no such key, expected an integer", json -> json.remove("hidden_size")),
                mistake("hidden_size: found null, expected an integer", json -> json.putNull("hidden_size")),
                mistake("hidden_size: found \"7168\", expected an integer", json -> json.put("hidden_size", "7168")),
                mistake("hidden_size: found 7168.5, expected an integer", json -> json.put("hidden_size", 7168.5)),
                mistake("hidden_size: found 0, expected an integer from 1", json -> json.put("hidden_size", 0)),
                mistake(
                        "hidden_size: found 99999999999, expected an integer",
                        json -> json.put("hidden_size", 99999999999L)),
                mistake("num_hidden_layers: found -1", json -> json.put("num_hidden_layers", -1)),
                mistake(
                        "first_k_dense_replace: found 62, expected 0 to num_hidden_layers (61)",
                        json -> json.put("first_k_dense_replace", 62)),
                mistake(
                        "qk_rope_head_dim: found 63, expected an even number",
                        json -> json.put("qk_rope_head_dim", 63)),
                mistake("num_key_value_heads: found 8, expected 128", json -> json.put("num_key_value_heads", 8)),
                mistake(
                        "n_group: found 7, expected a divisor of n_routed_experts (256)",
                        json -> json.put("n_group", 7)),
                mistake("topk_group: found 9, expected 1 to n_group (8)", json -> json.put("topk_group", 9)),
                mistake(
                        "num_experts_per_tok: found 200, expected at most 128",
                        json -> json.put("num_experts_per_tok", 200)),
                mistake(
                        "scoring_func: found \"relu\", expected one of \"sigmoid\", \"softmax\"",
                        json -> json.put("scoring_func", "relu")),
                mistake(
                        "topk_method: found \"noaux_tc\" with scoring_func \"softmax\"",
                        json -> json.put("scoring_func", "softmax")),
                mistake(
                        "topk_method: found \"greedy\", expected \"noaux_tc\" for model_type deepseek_v3",
                        json -> json.put("topk_method", "greedy")
                                .put("scoring_func", "softmax")
                                .put("n_group", 1)
                                .put("topk_group", 1)),
                mistake("rms_norm_eps: found 0.0, expected a positive number", json -> json.put("rms_norm_eps", 0)),
                mistake("rope_theta: found 1.0, expected a number above 1", json -> json.put("rope_theta", 1)),
                mistake(
                        "rope_scaling.rope_type: found \"longrope\", expected \"default\", \"linear\", \"llama3\" or \"yarn\"",
                        json -> ((ObjectNode) json.get("rope_scaling")).put("rope_type", "longrope")),
                mistake(
                        "rope_scaling.long_factor: unknown key",
                        json -> ((ObjectNode) json.get("rope_scaling")).put("long_factor", 1)),
                mistake(
                        "rope_scaling.mscale_all_dim: found 0.707, expected the value of mscale, 1.0",
                        json -> ((ObjectNode) json.get("rope_scaling")).put("mscale_all_dim", 0.707)),
                mistake(
                        "rope_scaling.factor: found 0.5, expected a number above 1",
                        json -> ((ObjectNode) json.get("rope_scaling")).put("factor", 0.5)),
                mistake("rope_scaling: found 3, expected an object or null", json -> json.put("rope_scaling", 3)),
                mistake(
                        "rope_scaling: found yarn with max_position_embeddings 4096",
                        json -> json.put("max_position_embeddings", 4096)),
                mistake(
                        "eos_token_id: found 129280, expected 0 to 129279, or null",
                        json -> json.put("eos_token_id", 129280)),
                mistake("torch_dtype: found \"int8\", expected one of", json -> json.put("torch_dtype", "int8")));
    }

    private static Arguments mistake(String message, Consumer<ObjectNode> change) {
        return Arguments.of(message, change);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("mistakes")
    void namesFileKeyFoundAndExpected(String message, Consumer<ObjectNode> change) {
        ObjectNode json = DeepseekConfigFile.toJson(V3);
        change.accept(json);
        assertThatThrownBy(() -> DeepseekConfigFile.parse(json, "model/config.json"))
                .isInstanceOf(ConfigException.class)
                .hasMessageStartingWith("model/config.json: ")
                .hasMessageContaining(message);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "[]", "{", "{\"a\":1,\"a\":2}", "{} {}", "null", "\u0000"})
    void damagedJsonIsAnErrorOfTheFile(String text, @TempDir Path folder) throws Exception {
        Path file = folder.resolve("config.json");
        Files.write(file, text.getBytes(StandardCharsets.UTF_8));
        assertThatThrownBy(() -> DeepseekConfig.read(file))
                .isInstanceOf(ConfigException.class)
                .hasMessageStartingWith(file + ": ");
        assertThatThrownBy(() -> DeepseekConfig.read(folder.resolve("none.json")))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("no such file");
    }
}
