package dev.fathom.cli;

import dev.fathom.engine.Engine;
import dev.fathom.engine.Precision;
import dev.fathom.model.LlamaModel;
import dev.fathom.model.config.LlamaConfig;
import dev.fathom.model.config.LlamaConfigFile;
import dev.fathom.model.safetensors.SafetensorsWriter;
import dev.fathom.model.tokenizer.BytePairTrainer;
import dev.fathom.model.tokenizer.SpecialTokens;
import dev.fathom.model.tokenizer.SpecialTokens.SpecialToken;
import dev.fathom.model.tokenizer.Tokenizer;
import dev.fathom.model.tokenizer.TokenizerFiles;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** A model directory as somebody might release it, tiny: it was never trained, so what it writes is noise, but it thinks first, knows tools and writes the same noise for the same seed. */
final class TinyChatModel {
    private static final String TEMPLATE =
            "{{ bos_token }}{% if tools %}Tools:{% for tool in tools %}{{ tool | tojson }}{% endfor %}<tool_call>{% endif %}"
                    + "{% for message in messages %}[{{ message.role }}]{{ message.content }}"
                    + "{% for call in message.tool_calls %}<tool_call>{{ call.function.arguments | tojson }}</tool_call>{% endfor %}"
                    + "{% if message.reasoning_content %}({{ message.reasoning_content }}){% endif %}{% endfor %}[assistant]"
                    + "{% if enable_thinking is not defined or enable_thinking %}<think>{% endif %}";

    private TinyChatModel() {}

    /** Writes it and returns the directory. */
    static Path write(Path directory) throws IOException {
        SpecialTokens special = new SpecialTokens(
                List.of(
                        new SpecialToken("<bos>", true),
                        new SpecialToken("<eos>", true),
                        new SpecialToken("<think>", false),
                        new SpecialToken("</think>", false),
                        new SpecialToken("<tool_call>", false),
                        new SpecialToken("</tool_call>", false)),
                "<bos>",
                "<eos>");
        Tokenizer tokenizer = new BytePairTrainer(360, special)
                .add("the quick brown fox, größe 日本 {\"name\": \"value\", \"id\": 1} ".repeat(4))
                .train();
        LlamaConfig config = LlamaConfig.builder()
                .vocabSize(tokenizer.vocabularySize())
                .hiddenSize(32)
                .intermediateSize(48)
                .numHiddenLayers(2)
                .numAttentionHeads(2)
                .numKeyValueHeads(1)
                .headDim(16)
                .maxPositionEmbeddings(1024)
                .initializerRange(0.3)
                .eosTokenId(tokenizer.eosId().orElseThrow())
                .build();
        Files.createDirectories(directory);
        Files.write(
                directory.resolve("config.json"),
                LlamaConfigFile.toJson(config).toString().getBytes(StandardCharsets.UTF_8));
        TokenizerFiles.write(directory, tokenizer, TEMPLATE);
        try (Engine engine = Engine.vector(Precision.F32, 1)) {
            SafetensorsWriter.write(
                    directory,
                    "model",
                    LlamaModel.random(config, engine, 5).checkpointTensors(),
                    SafetensorsWriter.DEFAULT_SHARD_BYTES);
        }
        return directory;
    }
}
