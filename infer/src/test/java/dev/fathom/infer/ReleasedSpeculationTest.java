package dev.fathom.infer;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.engine.DType;
import dev.fathom.engine.Engine;
import dev.fathom.engine.Precision;
import dev.fathom.engine.quant.QuantizedType;
import dev.fathom.infer.EngineFixture.Heard;
import dev.fathom.infer.GenerationEngine.Options;
import dev.fathom.model.LanguageModel;
import dev.fathom.model.ReleasedModel;
import dev.fathom.model.TinyRelease;
import dev.fathom.model.convert.ModelConverter;
import dev.fathom.model.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A released model of DeepSeek-V3's kind guesses with its own multi-token-prediction module, from either format and whatever keys are kept in. */
class ReleasedSpeculationTest {
    private static final int REQUESTS = 40;

    @TempDir
    Path folder;

    private final TinyRelease.Case tiny = TinyRelease.named("v3");

    @BeforeEach
    void release() throws IOException {
        TinyRelease.write(folder.resolve("hf"), tiny, 7);
        try (Engine kernels = Engine.vector(Precision.F32, 1)) {
            ModelConverter.convert(folder.resolve("hf"), folder.resolve("f32.gguf"), QuantizedType.F32, kernels);
            ModelConverter.convert(folder.resolve("hf"), folder.resolve("q8.gguf"), QuantizedType.Q8_0, kernels);
        }
    }

    @ParameterizedTest
    @CsvSource({"hf, F32", "f32.gguf, F32", "q8.gguf, F32", "hf, I8", "f32.gguf, I8"})
    void greedyTextsAreThoseOfPlainDecoding(String file, DType keyValues) {
        try (Engine kernels = Engine.vector(Precision.F32, 2)) {
            LanguageModel model = ReleasedModel.open(
                            folder.resolve(file), kernels, new ReleasedModel.Options(keyValues))
                    .model();
            assertThat(model.predictsMultipleTokens()).isTrue();
            List<Heard> plain = generate(
                    model,
                    Options.withPositions(600)
                            .withMaxRunning(1)
                            .withPrefixReuse(false)
                            .withSpeculation(false));
            List<Heard> guessing = generate(model, Options.withPositions(600).withRowsPerStep(20));
            int drafted = 0;
            for (int i = 0; i < REQUESTS; i++) {
                assertThat(guessing.get(i).ids())
                        .as("request %d", i)
                        .isEqualTo(plain.get(i).ids());
                assertThat(plain.get(i).await().usage().draftedTokens()).isZero();
                drafted += guessing.get(i).await().usage().draftedTokens();
            }
            assertThat(drafted).isGreaterThan(REQUESTS);
            // One token over and over, which the module is bound to guess: what is accepted is counted.
            Usage usage = guessing.getLast().await().usage();
            assertThat(usage.acceptedTokens()).isEqualTo(usage.draftedTokens()).isPositive();
        }
    }

    private List<Heard> generate(LanguageModel model, Options options) {
        Tokenizer tokenizer = TinyRelease.tokenizer(tiny.pre());
        List<Heard> heard = new ArrayList<>();
        try (GenerationEngine engine = GenerationEngine.start(model, tokenizer, List.of(TinyRelease.EOS), options)) {
            for (int i = 0; i < REQUESTS; i++) {
                int[] prompt = new int[1 + EngineFixture.pick(i, 0, 40)];
                for (int t = 0; t < prompt.length; t++) {
                    prompt[t] = EngineFixture.pick(t < 20 ? i % 3 : i, 100 + t, 256); // some begin alike
                }
                Sampling greedy = Sampling.GREEDY.withMaxTokens(25);
                heard.add(new Heard());
                engine.submit(
                        new Prompt(prompt, ReasoningFormat.NONE),
                        i == REQUESTS - 1 ? greedy.withFrequencyPenalty(-1000) : greedy,
                        heard.getLast());
                if (i % 4 != 3 || i == REQUESTS - 1) {
                    heard.getLast().await(); // the others have company
                }
            }
            heard.forEach(Heard::await);
        }
        return heard;
    }
}
