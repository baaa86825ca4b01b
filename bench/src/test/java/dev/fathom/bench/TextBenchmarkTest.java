package dev.fathom.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.bench.TextBenchmark.Model;
import dev.fathom.engine.Engine;
import dev.fathom.engine.Precision;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TextBenchmarkTest {
    @TempDir
    private Path folder;

    @ParameterizedTest
    @CsvSource({"GPT2, ADAMW", "GPT2, MUON", "V3, ADAMW", "V3, MUON"})
    void aTextIsLearned(Model model, UpdateRule rule) throws IOException {
        Path text = folder.resolve("text.txt");
        Files.writeString(text, "The quick brown fox jumps over the lazy dög.\n".repeat(60));
        List<String> said = new ArrayList<>();
        try (Engine engine = Engine.vector(Precision.F32, 2)) {
            TextBenchmark.Result result = TextBenchmark.run(model, rule, text, 12, 1, engine, said::add);

            assertThat(result.vocabulary()).isEqualTo(31);
            assertThat(result.curve()).hasSize(1);
            assertThat(said).hasSize(1);
            // Not chance any more.
            assertThat(result.validationLoss()).isBetween(0.1, Math.log(31) - 0.1);
        }
    }

    @Test
    void bothModelsCostTheSame() {
        double v3 = Model.V3.shape(65).trainingFlopPerToken(64);

        assertThat(v3 / Model.GPT2.shape(65).trainingFlopPerToken(64)).isCloseTo(1, within(0.01));
    }

    @Test
    void aTextThatIsMissingOrTooShortIsRefused() throws IOException {
        Path shortText = Files.writeString(folder.resolve("short.txt"), "To be, or not to be");
        try (Engine engine = Engine.vector(Precision.F32, 1)) {
            assertThatThrownBy(() -> TextBenchmark.run(
                            Model.V3, UpdateRule.ADAMW, folder.resolve("none.txt"), 5, 1, engine, line -> {}))
                    .isInstanceOf(BenchException.class)
                    .hasMessageContaining("none.txt")
                    .hasMessageContaining("--text");
            assertThatThrownBy(() -> TextBenchmark.run(Model.V3, UpdateRule.ADAMW, shortText, 5, 1, engine, line -> {}))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("19 characters");
        }
    }
}
