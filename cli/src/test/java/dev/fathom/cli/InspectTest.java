package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.engine.DType;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.quant.QuantizedType;
import dev.fathom.learn.Json;
import dev.fathom.model.gguf.GgufValue;
import dev.fathom.model.gguf.GgufWriter;
import dev.fathom.model.safetensors.NamedTensor;
import dev.fathom.model.safetensors.SafetensorsWriter;
import dev.fathom.model.safetensors.StoredType;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** {@code fathom inspect} on files and directories. */
class InspectTest {
    @TempDir
    Path folder;

    private Path gguf() {
        Map<String, GgufValue> metadata = new LinkedHashMap<>();
        metadata.put("general.architecture", GgufValue.string("deepseek2"));
        metadata.put("general.name", GgufValue.string("Tiny"));
        metadata.put("deepseek2.expert_count", GgufValue.uint32(8));
        metadata.put("deepseek2.expert_used_count", GgufValue.uint32(2));
        metadata.put("tokenizer.ggml.model", GgufValue.string("gpt2"));
        metadata.put("tokenizer.ggml.pre", GgufValue.string("deepseek-llm"));
        metadata.put("tokenizer.ggml.tokens", GgufValue.strings(List.of("a", "b", "c")));
        metadata.put("tokenizer.chat_template", GgufValue.string("{{ bos_token }}"));
        Path file = folder.resolve("tiny.gguf");
        GgufWriter.write(
                file,
                metadata,
                List.of(
                        zeros("token_embd.weight", QuantizedType.Q8_0, 3, 32),
                        zeros("blk.0.ffn_up_exps.weight", QuantizedType.Q4_K, 8, 2, 256),
                        zeros("rope_freqs.weight", QuantizedType.F32, 16)));
        return file;
    }

    private static GgufWriter.Entry zeros(String name, QuantizedType type, long... shape) {
        List<Long> dimensions = Arrays.stream(shape).boxed().toList();
        long elements = dimensions.stream().reduce(1L, Math::multiplyExact);
        return new GgufWriter.Entry(
                name, type, dimensions, channel -> channel.write(ByteBuffer.allocate((int) type.bytes(elements))));
    }

    @Test
    void showsAGgufFile() {
        Fathom.Result result = Fathom.run("inspect", gguf());
        assertThat(result.exitCode()).as(result.err()).isZero();
        assertThat(result.lines())
                .containsExactly(
                        "model          " + gguf(),
                        "name           Tiny",
                        "format         GGUF 3",
                        "architecture   deepseek2",
                        "parameters     4,192 (1,120 active per token)",
                        "tensors        3, 2,470 bytes",
                        "  Q4_K         1, 4,096 elements, 2,304 bytes",
                        "  Q8_0         1, 96 elements, 102 bytes",
                        "  F32          1, 16 elements, 64 bytes",
                        "tokenizer      gpt2 (deepseek-llm), 3 tokens",
                        "chat template  yes",
                        "not run        " + gguf() + ": deepseek2.block_count: found nothing, expected an integer");
    }

    @Test
    void showsADirectory() throws Exception {
        Files.writeString(
                folder.resolve("config.json"),
                "{\"architectures\":[\"DeepseekV3ForCausalLM\"],\"n_routed_experts\":4,\"num_experts_per_tok\":1}");
        Files.writeString(
                folder.resolve("tokenizer.json"),
                "{\"added_tokens\":[{\"content\":\"b\"},{\"content\":\"<end>\"}],\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1}}}");
        SafetensorsWriter.write(
                folder,
                "model",
                List.of(
                        new NamedTensor("model.embed_tokens.weight", Tensor.zeros(DType.F32, 2, 8), StoredType.BF16),
                        new NamedTensor("model.layers.0.mlp.experts.0.up_proj.weight", Tensor.zeros(DType.F32, 4, 8)),
                        new NamedTensor("model.layers.0.mlp.experts.1.up_proj.weight", Tensor.zeros(DType.F32, 4, 8))),
                1 << 20);
        Fathom.Result result = Fathom.run("inspect", folder, "--json");
        assertThat(result.exitCode()).as(result.err()).isZero();
        JsonNode json = Json.MAPPER.readTree(result.out());
        assertThat(json.path("format").asString()).isEqualTo("safetensors");
        assertThat(json.path("architecture").asString()).isEqualTo("DeepseekV3ForCausalLM");
        assertThat(json.path("parameters").asLong()).isEqualTo(16 + 64);
        assertThat(json.path("activeParameters").asLong()).isEqualTo(16 + 16);
        assertThat(json.path("bytes").asLong()).isEqualTo(2 * 16 + 4 * 64);
        assertThat(json.path("types").path(0).path("type").asString()).isEqualTo("F32");
        assertThat(json.path("types").path(1).path("elements").asLong()).isEqualTo(16);
        assertThat(json.path("tokenizer").path("kind").asString()).isEqualTo("BPE");
        assertThat(json.path("tokenizer").path("tokens").asInt()).isEqualTo(3);
        assertThat(json.path("chatTemplate").asBoolean()).isFalse();
    }

    @Test
    void saysWhatIsWrong() throws Exception {
        Path cut = folder.resolve("cut.gguf");
        byte[] good = Files.readAllBytes(gguf());
        Files.write(cut, Arrays.copyOf(good, good.length - 1));
        assertRefused(Fathom.run("inspect", cut), "cut.gguf: tensor \"rope_freqs.weight\": data: found the end");
        assertRefused(Fathom.run("inspect", folder.resolve("none")), "no such file or directory");
        assertRefused(Fathom.run("inspect", folder), "found no config.json");
        Path text = Files.writeString(folder.resolve("readme.txt"), "hello, this is text");
        assertRefused(Fathom.run("inspect", text), "magic: found bytes 68656c6c");
    }

    private static void assertRefused(Fathom.Result result, String words) {
        assertThat(result.err().strip().lines()).as(result.err()).hasSize(1);
        assertThat(result.err()).contains(words).doesNotContain("Exception", "\tat ");
        assertThat(result.exitCode()).isEqualTo(2);
    }
}
