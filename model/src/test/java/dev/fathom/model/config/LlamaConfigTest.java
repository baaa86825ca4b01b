package dev.fathom.model.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.model.config.LlamaConfig.Architecture;
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
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.node.ObjectNode;

class LlamaConfigTest {
    /** DeepSeek-R1-Distill-Qwen-1.5B as it was released. */
    private static final String DISTILL_QWEN = """
            {"architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 151643,
             "eos_token_id": 151643, "hidden_act": "silu", "hidden_size": 1536, "initializer_range": 0.02,
             "intermediate_size": 8960, "max_position_embeddings": 131072, "max_window_layers": 21,
             "model_type": "qwen2", "num_attention_heads": 12, "num_hidden_layers": 28, "num_key_value_heads": 2,
             "rms_norm_eps": 1e-06, "rope_theta": 10000, "sliding_window": 4096, "tie_word_embeddings": false,
             "torch_dtype": "bfloat16", "transformers_version": "4.44.0", "use_cache": true, "use_mrope": false,
             "use_sliding_window": false, "vocab_size": 151936}
            """;

    private static ObjectNode json(String text) {
        return Json.parseObject(text.getBytes(StandardCharsets.UTF_8), "x", ConfigException::new);
    }

    @Test
    void readsAReleasedConfigAndCountsItsParameters() {
        LlamaConfig config = LlamaConfigFile.parse(json(DISTILL_QWEN), "x");
        assertThat(config.architecture()).isEqualTo(Architecture.QWEN2);
        assertThat(config.headDim()).isEqualTo(128);
        assertThat(config.numKeyValueHeads()).isEqualTo(2);
        assertThat(config.parameterCount()).isEqualTo(1_777_088_000L);
    }

    @ParameterizedTest
    @EnumSource(Architecture.class)
    void writtenConfigReadsBackTheSame(Architecture architecture, @TempDir Path folder) throws Exception {
        LlamaConfig config = LlamaConfig.builder()
                .architecture(architecture)
                .vocabSize(77)
                .numAttentionHeads(6)
                .numKeyValueHeads(3)
                .headDim(18)
                .ropeTheta(500)
                .bosTokenId(1)
                .eosTokenId(2)
                .tieWordEmbeddings(true)
                .build();
        Path file = folder.resolve("config.json");
        Files.write(file, Json.bytes(LlamaConfigFile.toJson(config)));
        assertThat(LlamaConfig.read(file)).isEqualTo(config);
    }

    @Test
    void readsWhatTransformers5Writes() {
        ObjectNode json = json(DISTILL_QWEN);
        LlamaConfig config = LlamaConfigFile.parse(json, "x");
        json.remove("rope_theta");
        json.putObject("rope_parameters").put("rope_type", "default").put("rope_theta", 10000);
        json.put("dtype", json.remove("torch_dtype").stringValue());
        json.putNull("rope_scaling");
        json.putArray("layer_types").add("full_attention").add("full_attention");
        assertThat(LlamaConfigFile.parse(json, "x")).isEqualTo(config);
    }

    static Stream<Arguments> mistakes() {
        return Stream.of(
                mistake("model_type: found \"gemma\", expected \"llama\"", json -> json.put("model_type", "gemma")),
                mistake(
                        "architectures: found [\"LlamaForCausalLM\"]",
                        json -> json.putArray("architectures").add("LlamaForCausalLM")),
                mistake("use_sliding_window: found true, expected false", json -> json.put("use_sliding_window", true)),
                mistake("use_mrope: found true, expected false", json -> json.put("use_mrope", true)),
                mistake("attention_bias: found true, expected false", json -> json.put("attention_bias", true)),
                mistake("hidden_act: found \"gelu\", expected \"silu\"", json -> json.put("hidden_act", "gelu")),
                mistake(
                        "layer_types: found \"sliding_attention\"",
                        json -> json.putArray("layer_types")
                                .add("full_attention")
                                .add("sliding_attention")),
                mistake(
                        "rope_scaling.factor: found no such key",
                        json -> json.putObject("rope_scaling").put("rope_type", "llama3")),
                mistake(
                        "rope_scaling.rope_type: found \"dynamic\"" /* "type" is its old name */,
                        json -> json.putObject("rope_scaling").put("type", "dynamic")),
                mistake(
                        "rope_parameters.factor: unknown key",
                        json -> json.putObject("rope_parameters").put("factor", 4)),
                mistake(
                        "quantization_config.quant_method: found no such key",
                        json -> json.putObject("quantization_config")),
                mistake("logit_scale: unknown key with value 2", json -> json.put("logit_scale", 2)),
                mistake("hidden_size: found no such key", json -> json.remove("hidden_size")),
                mistake("num_key_value_heads: found 5, expected a divisor", json -> json.put("num_key_value_heads", 5)),
                mistake(
                        "num_attention_heads: found 11, expected a divisor",
                        json -> json.put("num_attention_heads", 11)),
                mistake("head_dim: found 127, expected an even number", json -> json.put("head_dim", 127)),
                mistake(
                        "head_dim: found no such key",
                        json -> json.put("model_type", "qwen3").remove("architectures")),
                mistake("rope_theta: found 1.0, expected a number above 1", json -> json.put("rope_theta", 1)),
                mistake("eos_token_id: found 151936", json -> json.put("eos_token_id", 151936)));
    }

    private static Arguments mistake(String message, Consumer<ObjectNode> change) {
        return Arguments.of(message, change);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("mistakes")
    void namesFileKeyFoundAndExpected(String message, Consumer<ObjectNode> change) {
        ObjectNode json = json(DISTILL_QWEN);
        change.accept(json);
        assertThatThrownBy(() -> LlamaConfigFile.parse(json, "model/config.json"))
                .isInstanceOf(ConfigException.class)
                .hasMessageStartingWith("model/config.json: ")
                .hasMessageContaining(message);
    }
}
