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

class TextBenchmarkTest {
    @TempDir
    private Path folder;

    @Test
    void aTextIsLearned() throws IOException {
        Path text = folder.resolve("text.txt");
        Files.writeString(text, "The quick brown fox jumps over the lazy dög.\n".repeat(60));
        List<String> said = new ArrayList<>();
        try (Engine engine = Engine.vector(Precision.F32, 2)) {
            TextBenchmark.Result result = TextBenchmark.run(Model.V3, text, 12, engine, said::add);

            assertThat(result.vocabulary()).isEqualTo(30);
            assertThat(result.curve()).hasSize(1);
            assertThat(said).hasSize(1);
            // Not chance any more.
            assertThat(result.validationLoss()).isBetween(0.1, Math.log(30) - 0.1);
        }
    }

    @Test
    void bothModelsCostTheSame() {
        // 6 per weight of 4 layers of 12 d² and the head, 3 T times both widths of attention.
        double nanoGpt = 6 * (4 * 12 * 128 * 128 + 65 * 128) + 3 * 64 * 4 * 4 * (32 + 32);

        assertThat(Model.V3.shape(65).trainingFlopPerToken(64) / nanoGpt).isCloseTo(1, within(0.01));
    }

    @Test
    void aTextThatIsMissingOrTooShortIsRefused() throws IOException {
        Path shortText = Files.writeString(folder.resolve("short.txt"), "To be, or not to be");
        try (Engine engine = Engine.vector(Precision.F32, 1)) {
            assertThatThrownBy(() -> TextBenchmark.run(Model.V3, folder.resolve("none.txt"), 5, engine, line -> {}))
                    .isInstanceOf(BenchException.class)
                    .hasMessageContaining("none.txt")
                    .hasMessageContaining("--text");
            assertThatThrownBy(() -> TextBenchmark.run(Model.V3, shortText, 5, engine, line -> {}))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("19 characters");
        }
    }
}
