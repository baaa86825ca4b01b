package dev.fathom.infer;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.engine.Engine;
import dev.fathom.engine.Precision;
import dev.fathom.infer.EngineFixture.Case;
import dev.fathom.infer.EngineFixture.Heard;
import dev.fathom.infer.GenerationEngine.Options;
import dev.fathom.model.LanguageModel;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class GenerationEngineTest {
    private static GenerationEngine start(LanguageModel model, Options options) {
        return GenerationEngine.start(model, EngineFixture.TOKENIZER, List.of(EngineFixture.END), options);
    }

    private static List<Heard> alone(LanguageModel model, int count) {
        List<Heard> alone = new ArrayList<>();
        try (GenerationEngine engine = start(
                model,
                Options.withPositions(256)
                        .withMaxRunning(1)
                        .withPrefixReuse(false)
                        .withSpeculation(false))) {
            for (int i = 0; i < count; i++) {
                Case it = EngineFixture.someCase(i);
                Heard heard = new Heard();
                engine.submit(it.prompt(), it.sampling(), heard);
                heard.await();
                alone.add(heard);
            }
        }
        return alone;
    }

    @ParameterizedTest
    @EnumSource(Precision.class)
    void aHundredRequestsAloneAndUnderLoad(Precision precision) {
        try (Engine kernels = Engine.vector(precision, 2)) {
            LanguageModel model = EngineFixture.model(kernels);
            List<Heard> alone = alone(model, 100);
            try (GenerationEngine engine =
                    start(model, Options.withPositions(1000).withRowsPerStep(30))) {
                List<Heard> crowd = new ArrayList<>();
                for (int i = 0; i < 100; i++) {
                    Case it = EngineFixture.someCase(i);
                    Heard heard = new Heard();
                    crowd.add(heard);
                    engine.submit(it.prompt(), it.sampling(), heard);
                }
                for (int i = 0; i < 100; i++) {
                    Heard expected = alone.get(i);
                    Heard found = crowd.get(i);
                    assertThat(found.await().reason()).as("request %d", i).isEqualTo(expected.await().reason());
                    assertThat(found.tokens).as("request %d", i).isEqualTo(expected.tokens);
                    assertThat(found.thinking.toString()).isEqualTo(expected.thinking.toString());
                    assertThat(found.answer.toString()).isEqualTo(expected.answer.toString());
                }
            }
        }
    }
}
