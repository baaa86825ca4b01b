package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.engine.Engine;
import dev.fathom.engine.Precision;
import dev.fathom.model.DeepseekModel;
import dev.fathom.model.checkpoint.Checkpoint;
import dev.fathom.model.config.DeepseekConfig;
import dev.fathom.model.tokenizer.BytePairTrainer;
import dev.fathom.model.tokenizer.SpecialTokens;
import dev.fathom.model.tokenizer.Tokenizer;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** {@code fathom generate} and {@code fathom chat} with a model directory as it would be released: tiny, random, with DeepSeek-R1's kind of template. */
class GenerateCommandTest {
    private static final JsonMapper MAPPER = JsonMapper.shared();

    private static final String TEMPLATE =
            "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}"
                    + "User: {{ message['content'] }}{% else %}Model: {{ message['content'].split('</think>')[-1] }}{{ eos_token }}"
                    + "{% endif %}{% endfor %}Model: <think>";

    @TempDir
    static Path folder;

    private static Path model;

    @BeforeAll
    static void makeModel() throws IOException {
        Tokenizer tokenizer = new BytePairTrainer(262, SpecialTokens.REASONING).train();
        model = folder.resolve("tiny-r1");
        try (Engine engine = Engine.vector(Precision.F32, 1)) {
            DeepseekModel random = DeepseekModel.random(
                    DeepseekConfig.builder()
                            .vocabSize(tokenizer.vocabularySize())
                            .bosTokenId(tokenizer.bosId().orElseThrow())
                            .eosTokenId(tokenizer.eosId().orElseThrow())
                            .hiddenSize(32)
                            .intermediateSize(48)
                            .moeIntermediateSize(16)
                            .numHiddenLayers(2)
                            .numAttentionHeads(2)
                            .queryLoraRank(null)
                            .keyValueLoraRank(16)
                            .nopeHeadDim(8)
                            .ropeHeadDim(8)
                            .valueHeadDim(8)
                            .numRoutedExperts(4)
                            .numExpertsPerToken(2)
                            .initializerRange(0.3)
                            .maxPositionEmbeddings(256)
                            .build(),
                    engine,
                    3);
            Checkpoint.publish(model, writer -> {
                writer.config(random.config());
                writer.tokenizer(tokenizer, TEMPLATE);
                writer.weights(random.checkpointTensors());
            });
        }
        Files.writeString(
                model.resolve("generation_config.json"),
                "{\"eos_token_id\": 1, \"do_sample\": true, \"temperature\": 0.6, \"top_p\": 0.95}");
    }

    private static JsonNode json(Object... words) {
        Fathom.Result result = Fathom.run(words);
        assertThat(result.exitCode()).as(result.err()).isZero();
        return MAPPER.readTree(result.lastLine());
    }

    @Test
    void oneResponseAsJson() {
        JsonNode first = json("generate", model, "--prompt", "Hi", "--max-tokens", 12, "--json", "--threads", 1);
        JsonNode again = json("generate", model, "--prompt", "Hi", "--max-tokens", 12, "--json", "--threads", 2);
        JsonNode other =
                json("generate", model, "--prompt", "Hi", "--max-tokens", 12, "--json", "--seed", 2, "--threads", 1);

        assertThat(first.path("tokens")).isEqualTo(again.path("tokens")).isNotEqualTo(other.path("tokens"));
        assertThat(first.path("usage").path("completionTokens").asInt())
                .isEqualTo(first.path("tokens").size())
                .isBetween(1, 12);
        assertThat(first.path("usage").path("promptTokens").asInt()).isGreaterThan(10);
        assertThat(first.path("finishReason").asString()).isIn("stop", "length");
        assertThat(first.path("kernels").asString()).startsWith("kernels: ");
        assertThat(first.path("seconds").asDouble())
                .isGreaterThanOrEqualTo(first.path("secondsToFirstToken").asDouble())
                .isPositive();
    }

    /** What makers recommend holds until somebody asks for something else. */
    @Test
    void settingsAreTheMakersUnlessGiven() {
        Object[] words = {"generate", model, "--prompt", "Hi", "--max-tokens", 12, "--json", "--threads", 1};
        JsonNode plain = json(words);
        assertThat(json(with(words, "--temperature", "0.6", "--top-p", "0.95")).path("tokens"))
                .isEqualTo(plain.path("tokens"));
        JsonNode greedy = json(with(words, "--temperature", "0"));
        assertThat(json(with(words, "--top-k", "1", "--seed", "9")).path("tokens"))
                .isEqualTo(greedy.path("tokens"));
        assertThat(json(with(words, "--min-p", "1", "--seed", "9")).path("tokens"))
                .isEqualTo(greedy.path("tokens"));
        JsonNode varied = json(with(
                words,
                "--temperature",
                "0",
                "--repetition-penalty",
                "50",
                "--presence-penalty",
                "9",
                "--frequency-penalty",
                "9"));
        assertThat(varied.path("tokens").valueStream().distinct().count())
                .isEqualTo(varied.path("tokens").size());
        JsonNode brief = json(with(words, "--thinking-budget", "2"));
        assertThat(brief.path("usage").path("reasoningTokens").asInt()).isLessThanOrEqualTo(3);
    }

    private static Object[] with(Object[] words, Object... more) {
        Object[] all = Arrays.copyOf(words, words.length + more.length);
        System.arraycopy(more, 0, all, words.length, more.length);
        return all;
    }

    @Test
    void textIsThinkingBetweenTagsThenAnswer() {
        Object[] words = {
            "generate", model, "--prompt", "Hi", "--max-tokens", 20, "--thinking-budget", 4, "--threads", 1
        };
        JsonNode json = json(with(words, "--json"));
        Fathom.Result text = Fathom.run(words);
        assertThat(text.exitCode()).isZero();
        String thinking = json.path("thinking").asString();
        String begin = thinking.isEmpty() ? "" : "<think>\n" + thinking + "\n</think>\n\n";
        assertThat(text.out()).isEqualTo(begin + json.path("answer").asString() + System.lineSeparator());
    }

    @Test
    void rawTextIsContinued() {
        JsonNode json = json("generate", model, "--prompt", "Hi", "--raw", "--max-tokens", 5, "--json", "--threads", 1);
        assertThat(json.path("usage").path("promptTokens").asInt()).isLessThanOrEqualTo(3);
        assertThat(json.path("thinking").asString()).isEmpty();
    }

    @Test
    void whatDoesNotGoTogetherIsRefused() {
        assertRefused("--temperature: found -1.0", "generate", model, "--prompt", "Hi", "--temperature", -1);
        assertRefused("--top-p: found 0.0", "generate", model, "--prompt", "Hi", "--top-p", 0);
        assertRefused("--max-tokens: found 0", "generate", model, "--prompt", "Hi", "--max-tokens", 0);
        assertRefused("--no-thinking", "generate", model, "--prompt", "Hi", "--no-thinking");
        assertRefused("--system is for", "generate", model, "--prompt", "Hi", "--raw", "--system", "x");
        assertRefused("none", "generate", folder.resolve("none"), "--prompt", "Hi");
        assertRefused("--checkpoint is for runs", "chat", model, "--prompt", "Hi", "--checkpoint", "x");
        assertRefused("expected at most 255", "generate", model, "--prompt", "Hi ".repeat(200));
    }

    private static void assertRefused(String why, Object... words) {
        Fathom.Result result = Fathom.run(words);
        assertThat(result.exitCode()).as(result.out()).isEqualTo(2);
        assertThat(result.err()).contains(why).doesNotContain("Exception");
        assertThat(result.err().lines()).hasSize(1);
    }

    @Test
    void aConversationRemembersUntilItIsCleared() {
        Fathom.Result one = Fathom.run("chat", model, "--prompt", "Hi", "--max-tokens", 9, "--threads", 1);
        assertThat(one.exitCode()).isZero();
        InputStream before = System.in;
        System.setIn(new ByteArrayInputStream("Hi\nHi\n/clear\nHi\nexit\nnever\n".getBytes(StandardCharsets.UTF_8)));
        try {
            Fathom.Result result = Fathom.run(
                    "chat", model, "--max-tokens", 30, "--thinking-budget", 3, "--temperature", 0, "--threads", 1);
            assertThat(result.exitCode()).isZero();
            assertThat(result.err()).contains("kernels: ").contains("type a message");
            String out = result.out();
            String first = Fathom.run(
                            "chat",
                            model,
                            "--max-tokens",
                            30,
                            "--thinking-budget",
                            3,
                            "--temperature",
                            0,
                            "--threads",
                            1,
                            "--prompt",
                            "Hi")
                    .out();
            assertThat(out).startsWith(first).endsWith(first);
            assertThat(out.length()).isGreaterThan(2 * first.length());
        } finally {
            System.setIn(before);
        }
    }
}
