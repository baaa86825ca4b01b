package dev.fathom.infer;

import dev.fathom.engine.Engine;
import dev.fathom.engine.Philox;
import dev.fathom.infer.GenerationEvent.End;
import dev.fathom.infer.GenerationEvent.Tokens;
import dev.fathom.model.DeepseekModel;
import dev.fathom.model.config.DeepseekConfig;
import dev.fathom.model.tokenizer.CharacterTokenizer;
import dev.fathom.model.tokenizer.SpecialTokens;
import dev.fathom.model.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** A tiny model with a tokenizer, and a listener that writes down what it hears. */
final class EngineFixture {
    static final Tokenizer TOKENIZER = CharacterTokenizer.of("abcdefghijklmnop \n", SpecialTokens.REASONING);
    static final int END = TOKENIZER.eosId().orElseThrow();

    private EngineFixture() {}

    static DeepseekConfig config(int predictionModules) {
        return DeepseekConfig.builder()
                .vocabSize(TOKENIZER.vocabularySize() + 3)
                .hiddenSize(40)
                .intermediateSize(52)
                .moeIntermediateSize(20)
                .numHiddenLayers(2)
                .numAttentionHeads(3)
                .queryLoraRank(null)
                .keyValueLoraRank(24)
                .nopeHeadDim(10)
                .ropeHeadDim(6)
                .valueHeadDim(9)
                .numRoutedExperts(6)
                .numExpertsPerToken(2)
                .numNextnPredictLayers(predictionModules)
                .initializerRange(0.3)
                .maxPositionEmbeddings(256)
                .build();
    }

    static DeepseekModel model(Engine engine) {
        return DeepseekModel.random(config(0), engine, 5);
    }

    /** A number below a bound, the same for the same place. */
    static int pick(long seed, int index, int bound) {
        return (int) Long.remainderUnsigned(Philox.bits(seed, 1, 0, index), bound);
    }

    /** A request of many kinds. */
    record Case(Prompt prompt, Sampling sampling) {}

    static Case someCase(int i) {
        int[] prompt = new int[1 + pick(i, 0, i % 7 == 0 ? 120 : 25)];
        for (int t = 0; t < prompt.length; t++) {
            // Many prompts begin alike, so that some of them are found in the cache.
            prompt[t] = 2 + pick(t < 20 ? i % 3 : i, 100 + t, TOKENIZER.vocabularySize() - 2);
        }
        Sampling sampling = Sampling.DEFAULT
                .withSeed((long) i)
                .withMaxTokens(1 + pick(i, 1, i % 8 == 0 ? 200 : 30))
                .withTemperature(i % 5 == 0 ? 0 : 0.5 + pick(i, 2, 100) / 100.0)
                .withTopK(i % 4 == 1 ? 1 + pick(i, 3, 20) : 0)
                .withTopP(i % 3 == 1 ? 0.3 + pick(i, 4, 70) / 100.0 : 1)
                .withMinP(i % 6 == 2 ? 0.1 : 0)
                .withRepetitionPenalty(i % 5 == 3 ? 1.3 : 1)
                .withPresencePenalty(i % 4 == 2 ? 0.5 : 0)
                .withFrequencyPenalty(i % 7 == 4 ? 0.3 : 0)
                .withLogProbs(i % 3 == 2 ? 3 : -1)
                .withStop(i % 6 == 5 ? List.of("ab", "c d") : List.of());
        ReasoningFormat format = ReasoningFormat.values()[i % ReasoningFormat.values().length];
        return new Case(
                new Prompt(prompt, format),
                format != ReasoningFormat.NONE && i % 3 == 0 ? sampling.withThinkingBudget(5) : sampling);
    }

    /** Writes down what it hears. */
    static final class Heard implements GenerationListener {
        final List<SampledToken> tokens = new ArrayList<>();
        final StringBuilder thinking = new StringBuilder();
        final StringBuilder answer = new StringBuilder();
        final CountDownLatch ended = new CountDownLatch(1);
        private @Nullable Thread thread;
        volatile @Nullable End end;

        @Override
        public void onEvent(GenerationEvent event) {
            if (thread == null) {
                thread = Thread.currentThread();
            } else if (thread != Thread.currentThread()) {
                throw new AssertionError("heard from two threads");
            }
            if (end != null) {
                throw new AssertionError("heard something after the end: " + event);
            }
            switch (event) {
                case Tokens more -> {
                    tokens.addAll(more.tokens());
                    thinking.append(more.thinking());
                    answer.append(more.answer());
                }
                case End last -> {
                    end = last;
                    ended.countDown();
                }
            }
        }

        End await() {
            try {
                if (!ended.await(60, TimeUnit.SECONDS)) {
                    throw new AssertionError("no end after a minute");
                }
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
            End last = end;
            if (last == null) {
                throw new AssertionError("no end");
            }
            return last;
        }

        int[] ids() {
            return tokens.stream().mapToInt(SampledToken::id).toArray();
        }
    }
}
