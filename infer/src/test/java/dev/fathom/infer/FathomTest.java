package dev.fathom.infer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.engine.Engine;
import dev.fathom.engine.Precision;
import dev.fathom.infer.GenerationEngine.Options;
import dev.fathom.infer.GenerationEvent.Tokens;
import dev.fathom.model.DeepseekModel;
import dev.fathom.model.chat.ChatMessage;
import dev.fathom.model.chat.ChatTemplate;
import dev.fathom.model.checkpoint.Checkpoint;
import dev.fathom.model.files.Json;
import dev.fathom.model.files.ModelFileException;
import dev.fathom.model.tokenizer.CharacterTokenizer;
import dev.fathom.model.tokenizer.SpecialTokens;
import dev.fathom.model.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FathomTest {
    private static final Tokenizer TOKENIZER = EngineFixture.TOKENIZER;
    private static final Sampling SAMPLING = Sampling.DEFAULT.withSeed(4L).withMaxTokens(30);

    /** DeepSeek-R1's template in small: what was thought is left out, and the prompt opens the next thought. */
    private static final String TEMPLATE =
            "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}"
                    + "b{{ message['content'] }}{% else %}a{{ message['content'].split('</think>')[-1] }}{{ eos_token }}{% endif %}"
                    + "{% endfor %}c<think>";

    private static Fathom fathom(Engine kernels, @Nullable String template) {
        return Fathom.of(
                new LoadedModel(
                        "tiny",
                        EngineFixture.model(kernels),
                        TOKENIZER,
                        template == null ? null : ChatTemplate.parse(template, "test"),
                        Sampling.DEFAULT,
                        List.of(EngineFixture.END)),
                Options.withPositions(1000));
    }

    @Test
    void aSessionKeepsAnswersAndLeavesThinkingOut() {
        try (Engine kernels = Engine.vector(Precision.F32, 1);
                Fathom fathom = fathom(kernels, TEMPLATE)) {
            ChatSession session = fathom.session(null);
            Reply.Completed first =
                    session.ask("p", SAMPLING.withThinkingBudget(3), null).await();
            assertThat(first.usage().reasoningTokens()).isPositive();
            assertThat(session.history())
                    .isEqualTo(
                            first.answer().isEmpty()
                                    ? List.of()
                                    : List.of(ChatMessage.user("p"), ChatMessage.assistant(first.answer(), null)));
            assertThat(fathom.prompt(
                                    List.of(
                                            ChatMessage.user("p"),
                                            ChatMessage.assistant("k</think>l", null),
                                            ChatMessage.user("o")),
                                    null)
                            .tokens())
                    .isEqualTo(TOKENIZER.encode("<bos>bpal<eos>boc<think>"));
            assertThat(fathom.prompt(List.of(ChatMessage.user("p")), null).format())
                    .isEqualTo(ReasoningFormat.OPEN);
            session.clear();
            assertThat(session.history()).isEmpty();
        }
    }

    /** The pieces, one after another, are the whole; the same request gives the same again. */
    @Test
    void piecesAndTheWhole() {
        try (Engine kernels = Engine.vector(Precision.F32, 1);
                Fathom fathom = fathom(kernels, TEMPLATE)) {
            List<ChatMessage> messages = List.of(ChatMessage.user("op".repeat(20)));
            Reply reply = fathom.chat(messages, SAMPLING);
            StringBuilder thinking = new StringBuilder();
            StringBuilder answer = new StringBuilder();
            for (Tokens piece : reply) {
                thinking.append(piece.thinking());
                answer.append(piece.answer());
            }
            Reply.Completed whole = reply.await();
            assertThat(whole.thinking()).isEqualTo(thinking.toString());
            assertThat(whole.answer()).isEqualTo(answer.toString());
            assertThat(reply.iterator().hasNext()).isFalse();
            Reply.Completed again = fathom.chat(messages, SAMPLING).await();
            assertThat(again.tokens()).isEqualTo(whole.tokens());
            assertThat(again.usage().cachedTokens()).isEqualTo(whole.usage().promptTokens() - 1);
        }
    }

    @Test
    void aTurnIsCancelledAndTheNextOneBegins() {
        try (Engine kernels = Engine.vector(Precision.F32, 1);
                Fathom fathom = Fathom.of(
                        new LoadedModel(
                                "endless", EngineFixture.model(kernels), TOKENIZER, null, Sampling.DEFAULT, List.of()),
                        Options.withPositions(1000))) {
            ChatSession session = fathom.session(null);
            Reply reply = session.ask("p", Sampling.DEFAULT, null);
            if (!reply.isDone()) {
                assertThatThrownBy(() -> session.ask("q", Sampling.DEFAULT, null))
                        .hasMessageContaining("has not ended");
            }
            reply.cancel();
            assertThat(reply.await().reason()).isIn(FinishReason.CANCELLED, FinishReason.LENGTH);
            assertThat(session.ask("o", SAMPLING, null).await().reason()).isEqualTo(FinishReason.LENGTH);
        }
    }

    /** A model without a template that knows R1-Zero's tags gets the problem alone. */
    @Test
    void aSpecialistGetsTheProblem() {
        try (Engine kernels = Engine.vector(Precision.F32, 1);
                Fathom fathom = fathom(kernels, null)) {
            assertThat(fathom.canChat()).isTrue();
            Prompt prompt = fathom.prompt(List.of(ChatMessage.system("no"), ChatMessage.user("ab")), null);
            assertThat(prompt.tokens()).isEqualTo(TOKENIZER.encode("<bos>ab"));
            assertThat(prompt.format()).isEqualTo(ReasoningFormat.ANSWER_TAGS);
            // Raw text is continued, tags and all.
            assertThat(fathom.generate("ab<think>", SAMPLING).await().thinking())
                    .isEmpty();
            assertThatThrownBy(() -> fathom.prompt(List.of(), null)).hasMessageContaining("messages: found none");
        }
        Tokenizer letters = CharacterTokenizer.of("abc", SpecialTokens.NONE);
        LoadedModel base = new LoadedModel("base", emptyModel(), letters, null, Sampling.DEFAULT, List.of());
        assertThat(base.canChat()).isFalse();
        assertThatThrownBy(() -> base.prompt(List.of(ChatMessage.user("a")), null))
                .hasMessageContaining("base has no chat template");
    }

    private static DeepseekModel emptyModel() {
        try (Engine kernels = Engine.vector(Precision.F32, 1)) {
            return DeepseekModel.empty(EngineFixture.config(0), kernels);
        }
    }

    /** The newest checkpoint of a run, by the numbers in its name; the directory itself; and what is neither. */
    @Test
    void loadsRunsAndCheckpoints(@TempDir Path directory) throws IOException {
        Path run = directory.resolve("run");
        try (Engine kernels = Engine.vector(Precision.F32, 1)) {
            for (String name : List.of("0-pretrain-000100", "2-rl-000009", "10-rl-000001", "2-rl-000010")) {
                DeepseekModel model = DeepseekModel.random(EngineFixture.config(1), kernels, name.hashCode());
                Checkpoint.publish(run.resolve("checkpoints").resolve(name), writer -> {
                    writer.config(model.config());
                    writer.tokenizer(TOKENIZER, null);
                    writer.weights(model.checkpointTensors());
                    writer.state(Json.MAPPER.createObjectNode());
                });
            }
            Files.writeString(run.resolve("run.json"), "{}");
            Fathom.Options options = new Fathom.Options(null, 2, 5);
            List<SampledToken> newest;
            try (Fathom fathom = Fathom.load(run, kernels, options)) {
                assertThat(fathom.name()).isEqualTo("run");
                assertThat(fathom.endTokens()).containsExactly(EngineFixture.END);
                assertThat(fathom.contextLength()).isEqualTo(256);
                newest = fathom.generate("ab", SAMPLING).await().tokens();
            }
            try (Fathom fathom = Fathom.load(run.resolve("checkpoints/10-rl-000001"), kernels, options)) {
                assertThat(fathom.generate("ab", SAMPLING).await().tokens()).isEqualTo(newest);
            }
            try (Fathom fathom = Fathom.load(run.resolve("checkpoints/2-rl-000010"), kernels, options)) {
                assertThat(fathom.generate("ab", SAMPLING).await().tokens()).isNotEqualTo(newest);
            }
            assertThatThrownBy(() -> Fathom.load(directory.resolve("none"), kernels, options))
                    .isInstanceOf(ModelFileException.class);
            Files.createDirectories(directory.resolve("new/checkpoints"));
            Files.writeString(directory.resolve("new/run.json"), "{}");
            assertThatThrownBy(() -> Fathom.load(directory.resolve("new"), kernels, options))
                    .isInstanceOf(ModelFileException.class)
                    .hasMessageContaining("found no checkpoint");
            assertThatThrownBy(() -> Fathom.load(run, kernels, new Fathom.Options(1L, 1, 1)))
                    .hasMessageContaining("keyValueBytes: found 1");
        }
    }
}
