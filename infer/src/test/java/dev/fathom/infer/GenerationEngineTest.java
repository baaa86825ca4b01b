package dev.fathom.infer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.engine.Engine;
import dev.fathom.engine.Precision;
import dev.fathom.infer.EngineFixture.Case;
import dev.fathom.infer.EngineFixture.Heard;
import dev.fathom.infer.GenerationEngine.Options;
import dev.fathom.model.DeepseekModel;
import dev.fathom.model.LanguageModel;
import dev.fathom.model.ReleasedModel;
import dev.fathom.model.checkpoint.Checkpoint;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
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

    private static void assertSame(int request, Heard expected, Heard found) {
        assertThat(found.await().reason())
                .as("request %d", request)
                .isEqualTo(expected.await().reason());
        assertThat(found.tokens).as("request %d", request).isEqualTo(expected.tokens);
        assertThat(found.thinking.toString()).isEqualTo(expected.thinking.toString());
        assertThat(found.answer.toString()).isEqualTo(expected.answer.toString());
    }

    /** Memory for few of the requests at a time, prompts in small parts, others' beginnings in the cache: the same tokens. */
    @ParameterizedTest
    @EnumSource(Precision.class)
    void aHundredRequestsAloneAndUnderLoad(Precision precision) {
        try (Engine kernels = Engine.vector(precision, 2)) {
            LanguageModel model = EngineFixture.model(kernels);
            List<Heard> alone = alone(model, 100);
            for (Options options : List.of(
                    Options.withPositions(4000).withRowsPerStep(30),
                    Options.withPositions(400).withRowsPerStep(7).withMaxRunning(9))) {
                try (GenerationEngine engine = start(model, options)) {
                    List<Heard> crowd = new ArrayList<>();
                    for (int i = 0; i < 100; i++) {
                        Case it = EngineFixture.someCase(i);
                        Heard heard = new Heard();
                        crowd.add(heard);
                        engine.submit(it.prompt(), it.sampling(), heard);
                    }
                    for (int i = 0; i < 100; i++) {
                        assertSame(i, alone.get(i), crowd.get(i));
                    }
                    assertThat(engine.drain(Duration.ofSeconds(10))).isTrue();
                    EngineStatus status = engine.status();
                    assertThat(status.running() + status.queued()).isZero();
                    assertThat(status.positionsInUse()).isZero();
                    assertThat(status.cachedTokens()).isPositive();
                }
            }
            // Otherwise the comparison says little.
            assertThat(alone.stream().map(heard -> heard.await().reason()).distinct())
                    .contains(FinishReason.STOP, FinishReason.LENGTH);
        }
    }

    /** Guessing ahead changes nothing but the time it takes: alone, in company, and in between. */
    @ParameterizedTest
    @EnumSource(Precision.class)
    void speculationChangesNoToken(Precision precision) {
        try (Engine kernels = Engine.vector(precision, 2)) {
            LanguageModel model = DeepseekModel.random(EngineFixture.config(1), kernels, 5);
            List<Heard> alone = alone(model, 60);
            int guesses = 0;
            int right = 0;
            try (GenerationEngine engine =
                    start(model, Options.withPositions(700).withRowsPerStep(20))) {
                List<Heard> found = new ArrayList<>();
                for (int i = 0; i < 60; i++) {
                    Case it = EngineFixture.someCase(i);
                    Heard heard = new Heard();
                    found.add(heard);
                    engine.submit(it.prompt(), it.sampling(), heard);
                    if (i % 4 != 3) {
                        heard.await(); // the others have company
                    }
                }
                for (int i = 0; i < 60; i++) {
                    assertSame(i, alone.get(i), found.get(i));
                    guesses += found.get(i).await().usage().draftedTokens();
                    right += found.get(i).await().usage().acceptedTokens();
                }
                assertThat(guesses).isGreaterThan(100);
                assertThat(right).isBetween(1, guesses - 1);
                // A response of one token over and over, which the guess knows as well.
                Heard monotone = new Heard();
                engine.submit(
                        new Prompt(new int[] {9, 8}, ReasoningFormat.NONE),
                        Sampling.GREEDY.withFrequencyPenalty(-1000).withMaxTokens(41),
                        monotone);
                Usage usage = monotone.await().usage();
                assertThat(monotone.ids()).containsOnly(monotone.ids()[0]);
                assertThat(usage.completionTokens()).isEqualTo(41);
                assertThat(usage.acceptedTokens())
                        .isEqualTo(usage.draftedTokens())
                        .isEqualTo(20);
            }
        }
    }

    /**
     * A released model has its weights as the file stores them and keeps latents, which prompts and responses meet in two forms: the promise is the same,
     * with prompts in parts, shared beginnings, requests that give way and speculation.
     */
    @Test
    void aReleasedModelKeepsThePromise(@TempDir Path directory) {
        try (Engine kernels = Engine.vector(Precision.F32, 2)) {
            DeepseekModel random = DeepseekModel.random(EngineFixture.config(1), kernels, 5);
            Checkpoint.publish(directory.resolve("released"), writer -> {
                writer.config(random.config());
                writer.tokenizer(EngineFixture.TOKENIZER, null);
                writer.weights(random.checkpointTensors());
            });
            LanguageModel model = ReleasedModel.open(
                            directory.resolve("released"), kernels, ReleasedModel.Options.DEFAULT)
                    .model();
            assertThat(model).isNotInstanceOf(DeepseekModel.class);
            assertThat(model.predictsMultipleTokens()).isTrue();
            List<Heard> alone = alone(model, 50);
            try (GenerationEngine engine =
                    start(model, Options.withPositions(300).withRowsPerStep(13))) {
                List<Heard> found = new ArrayList<>();
                for (int i = 0; i < 50; i++) {
                    Case it = EngineFixture.someCase(i);
                    Heard heard = new Heard();
                    found.add(heard);
                    engine.submit(it.prompt(), it.sampling(), heard);
                    if (i % 5 == 4) {
                        heard.await();
                    }
                }
                for (int i = 0; i < 50; i++) {
                    assertSame(i, alone.get(i), found.get(i));
                }
                assertThat(engine.status().cachedTokens()).isPositive();
            }
        }
    }

    /** Five responses that each fill most of the memory: the younger ones give way, all come to their end, and nobody's tokens change. */
    @Test
    void whoGivesWayGoesOnLater() {
        try (Engine kernels = Engine.vector(Precision.F32, 2)) {
            LanguageModel model = EngineFixture.model(kernels);
            List<List<Heard>> rounds = new ArrayList<>();
            for (int running : new int[] {1, 5}) {
                try (GenerationEngine engine = GenerationEngine.start(
                        model,
                        EngineFixture.TOKENIZER,
                        List.of(),
                        Options.withPositions(256).withMaxRunning(running))) {
                    List<Heard> heards = new ArrayList<>();
                    for (int i = 0; i < 5; i++) {
                        Heard heard = new Heard();
                        heards.add(heard);
                        Sampling sampling = Sampling.DEFAULT.withSeed((long) i).withMaxTokens(220);
                        engine.submit(new Prompt(new int[] {3 + i, 7}, ReasoningFormat.TAGGED), sampling, heard);
                    }
                    heards.forEach(heard -> assertThat(heard.await().reason()).isEqualTo(FinishReason.LENGTH));
                    assertThat(engine.status().preemptions() > 0).isEqualTo(running > 1);
                    rounds.add(heards);
                }
            }
            for (int i = 0; i < 5; i++) {
                assertSame(i, rounds.getFirst().get(i), rounds.getLast().get(i));
                assertThat(rounds.getLast().get(i).await().usage().completionTokens())
                        .isEqualTo(220);
            }
        }
    }

    /** Requests come and go at any time, many are cancelled, memory is short; those that are not cancelled are as if alone. */
    @Test
    void arrivalsAndCancelsAtAnyTime() throws InterruptedException {
        try (Engine kernels = Engine.vector(Precision.F32, 2)) {
            LanguageModel model = EngineFixture.model(kernels);
            int count = 60;
            List<Heard> alone = alone(model, count);
            for (int run = 0; run < 6; run++) {
                Options options = Options.withPositions(256 + 64 * run)
                        .withRowsPerStep(1 + 8 * run)
                        .withMaxRunning(2 + 3 * run)
                        .withPrefixReuse(run % 2 == 0);
                try (GenerationEngine engine = start(model, options)) {
                    List<Heard> crowd = new ArrayList<>();
                    List<Generation> cancelled = new ArrayList<>();
                    for (int i = 0; i < count; i++) {
                        Case it = EngineFixture.someCase(i);
                        Heard heard = new Heard();
                        crowd.add(heard);
                        Generation generation = engine.submit(it.prompt(), it.sampling(), heard);
                        if (EngineFixture.pick(run, i, 3) == 0) {
                            cancelled.add(generation);
                        }
                        if (EngineFixture.pick(run, 1000 + i, 4) == 0) {
                            Thread.sleep(1 + EngineFixture.pick(run, 2000 + i, 4));
                        }
                        if (cancelled.size() > 3) {
                            cancelled.removeFirst().cancel();
                        }
                    }
                    for (int i = 0; i < count; i++) {
                        Heard found = crowd.get(i);
                        if (found.await().reason() == FinishReason.CANCELLED) {
                            int[] all = alone.get(i).ids();
                            assertThat(found.ids()).isEqualTo(Arrays.copyOf(all, found.ids().length));
                        } else {
                            assertSame(i, alone.get(i), found);
                        }
                    }
                    assertThat(engine.drain(Duration.ofSeconds(10))).isTrue();
                    assertThat(engine.status().positionsInUse()).isZero();
                }
            }
        }
    }

    @Test
    void usageIsCounted() {
        try (Engine kernels = Engine.vector(Precision.F32, 1);
                GenerationEngine engine = start(EngineFixture.model(kernels), Options.withPositions(512))) {
            int[] prompt = IntStream.range(0, 50).map(i -> 6 + i % 17).toArray();
            Sampling sampling = Sampling.DEFAULT.withMaxTokens(5).withSeed(1L);
            for (int round = 0; round < 2; round++) {
                Heard heard = new Heard();
                engine.submit(new Prompt(prompt, ReasoningFormat.OPEN), sampling, heard);
                Usage usage = heard.await().usage();
                assertThat(usage.promptTokens()).isEqualTo(50);
                // Of the same prompt all is there but its last token, from which the response goes on.
                assertThat(usage.cachedTokens()).isEqualTo(round == 0 ? 0 : 49);
                assertThat(usage.completionTokens()).isEqualTo(heard.tokens.size());
                assertThat(usage.reasoningTokens())
                        .isEqualTo((int) heard.tokens.stream()
                                .filter(SampledToken::thinking)
                                .count())
                        .isPositive();
            }
        }
    }

    @Test
    void aFullQueueAndAClosedEngineRefuse() {
        try (Engine kernels = Engine.vector(Precision.F32, 1)) {
            GenerationEngine engine = start(
                    EngineFixture.model(kernels),
                    Options.withPositions(256).withMaxRunning(1).withMaxQueued(2));
            CountDownLatch go = new CountDownLatch(1);
            Prompt prompt = new Prompt(new int[] {7}, ReasoningFormat.NONE);
            Heard first = new Heard();
            CountDownLatch running = new CountDownLatch(1);
            engine.submit(prompt, Sampling.GREEDY.withMaxTokens(3), event -> {
                running.countDown();
                awaitUninterruptibly(go);
                first.onEvent(event);
            });
            awaitUninterruptibly(running);
            List<Heard> others = new ArrayList<>();
            assertThatThrownBy(() -> {
                        for (int i = 0; i < 9; i++) {
                            Heard heard = new Heard();
                            engine.submit(prompt, Sampling.GREEDY, heard);
                            others.add(heard);
                        }
                    })
                    .isInstanceOf(EngineBusyException.class)
                    .hasMessageContaining("2 requests wait");
            assertThat(others).hasSize(2);
            go.countDown();
            first.await();
            engine.close();
            assertThat(others)
                    .allSatisfy(heard -> assertThat(heard.await().reason())
                            .isIn(FinishReason.CANCELLED, FinishReason.LENGTH, FinishReason.STOP));
            assertThatThrownBy(() -> engine.submit(prompt, Sampling.GREEDY, new Heard()))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("being closed");
        }
    }

    private static void awaitUninterruptibly(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void aBadPromptIsRefusedByName() {
        try (Engine kernels = Engine.vector(Precision.F32, 1);
                GenerationEngine engine = start(EngineFixture.model(kernels), Options.withPositions(100))) {
            assertThatThrownBy(() -> new Prompt(new int[0], ReasoningFormat.NONE))
                    .hasMessageContaining("at least one");
            assertThatThrownBy(() -> engine.submit(
                            new Prompt(new int[100], ReasoningFormat.NONE), Sampling.DEFAULT, new Heard()))
                    .hasMessageContaining("found 100 tokens, expected at most 99");
            assertThatThrownBy(() -> engine.submit(
                            new Prompt(new int[] {3, 27}, ReasoningFormat.NONE), Sampling.DEFAULT, new Heard()))
                    .hasMessageContaining("found token 27, expected 0 to 26");
        }
    }

    /** Letters a to d in turns, at least eight of them. */
    private record Turns(int count) implements TokenConstraint.State {
        @Override
        public void allow(long[] mask, int remaining) {
            mask[0] |= 1L << allowed();
        }

        private int allowed() {
            return EngineFixture.TOKENIZER.encode("abcd")[count % 4];
        }

        @Override
        public boolean mayEnd() {
            return count >= 8;
        }

        @Override
        public TokenConstraint.State next(int token) {
            assertThat(token).isEqualTo(allowed());
            return new Turns(count + 1);
        }
    }

    /** A model that guesses ahead does not guess past a constraint, and goes on guessing for who has none. */
    @Test
    void speculationAndAConstraint() {
        try (Engine kernels = Engine.vector(Precision.F32, 1)) {
            LanguageModel model = DeepseekModel.random(EngineFixture.config(1), kernels, 5);
            for (ReasoningFormat format : ReasoningFormat.values()) {
                List<List<SampledToken>> answers = new ArrayList<>();
                for (boolean speculation : new boolean[] {true, false}) {
                    try (GenerationEngine engine =
                            start(model, Options.withPositions(600).withSpeculation(speculation))) {
                        Prompt prompt = new Prompt(new int[] {9, 8, 7}, format);
                        Sampling sampling = Sampling.DEFAULT.withSeed(3L).withMaxTokens(40);
                        Sampling bounded = format == ReasoningFormat.NONE ? sampling : sampling.withThinkingBudget(6);
                        Heard free = new Heard();
                        engine.submit(prompt, sampling, free);
                        assertThat(free.await().usage().draftedTokens() > 0).isEqualTo(speculation);
                        Heard constrained = new Heard();
                        engine.submit(prompt, bounded.withConstraint(() -> new Turns(0)), constrained);
                        assertThat(constrained.await().error()).isNull();
                        assertThat(constrained.answer.toString()).startsWith("abcdabcd");
                        answers.add(constrained.tokens);
                    }
                }
                assertThat(answers.getFirst()).as(format.name()).isEqualTo(answers.getLast());
            }
        }
    }

    /** One request whose listener, and one whose constraint throws: both end, the others do not notice. */
    @Test
    void whoFailsFailsAlone() {
        try (Engine kernels = Engine.vector(Precision.F32, 2)) {
            LanguageModel model = EngineFixture.model(kernels);
            List<Heard> alone = alone(model, 12);
            try (GenerationEngine engine = start(model, Options.withPositions(2000))) {
                Prompt prompt = new Prompt(new int[] {7, 8, 9}, ReasoningFormat.NONE);
                TokenConstraint broken = () -> {
                    throw new IllegalArgumentException("no such grammar");
                };
                TokenConstraint.State dead = new TokenConstraint.State() {
                    @Override
                    public void allow(long[] mask, int remaining) {}

                    @Override
                    public boolean mayEnd() {
                        return false;
                    }

                    @Override
                    public TokenConstraint.State next(int token) {
                        return this;
                    }
                };
                List<Heard> crowd = new ArrayList<>();
                Heard deaf = new Heard();
                Heard stuck = new Heard();
                engine.submit(prompt, Sampling.GREEDY, event -> {
                    if (event instanceof GenerationEvent.End) {
                        deaf.onEvent(event);
                    }
                    throw new IllegalStateException("a listener that throws");
                });
                engine.submit(prompt, Sampling.GREEDY.withConstraint(() -> dead), stuck);
                assertThatThrownBy(() -> engine.submit(prompt, Sampling.GREEDY.withConstraint(broken), new Heard()))
                        .hasMessageContaining("no such grammar");
                for (int i = 0; i < 12; i++) {
                    Heard heard = new Heard();
                    crowd.add(heard);
                    Case it = EngineFixture.someCase(i);
                    engine.submit(it.prompt(), it.sampling(), heard);
                }
                assertThat(deaf.await().error()).contains("a listener that throws");
                assertThat(stuck.await().reason()).isEqualTo(FinishReason.ERROR);
                assertThat(stuck.await().error()).contains("the constraint allows neither a token nor the end");
                for (int i = 0; i < 12; i++) {
                    assertSame(i, alone.get(i), crowd.get(i));
                }
            }
        }
    }
}
