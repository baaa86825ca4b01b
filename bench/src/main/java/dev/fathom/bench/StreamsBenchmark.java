package dev.fathom.bench;

import dev.fathom.engine.Engine;
import dev.fathom.infer.GenerationEngine;
import dev.fathom.infer.GenerationEvent;
import dev.fathom.infer.Prompt;
import dev.fathom.infer.ReasoningFormat;
import dev.fathom.infer.Sampling;
import dev.fathom.model.ReleasedModel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicLong;

/**
 * A released model with many requests at once: each stream has a prompt of its own, of random tokens, and goes on greedily; all begin together and are
 * generated together. What counts is the sum of their tokens.
 */
public final class StreamsBenchmark {
    private StreamsBenchmark() {}

    /**
     * How it is measured.
     *
     * @param streams requests at the same time
     * @param promptTokens of each prompt
     * @param newTokens of each response
     * @param runs that are timed, after one that is not
     */
    public record Options(int streams, int promptTokens, int newTokens, int runs) {
        public Options {
            if (streams < 1 || promptTokens < 1 || newTokens < 2 || runs < 1) {
                throw new IllegalArgumentException(
                        "needs streams >= 1, prompt tokens >= 1, new tokens >= 2, runs >= 1; are " + streams + ", "
                                + promptTokens + ", " + newTokens + ", " + runs);
            }
        }
    }

    /**
     * What came out. Names are those of the JSON.
     *
     * @param tokensPerSecond new tokens of all streams over the time from the first request to the last token, median of the runs
     * @param generationTokensPerSecond the same from the moment when every stream had its first token: without prompts
     * @param seconds of each run
     * @param generation seconds of each run from the moment when every stream had its first token
     */
    public record Result(
            String model,
            int streams,
            int promptTokens,
            int newTokens,
            double tokensPerSecond,
            double generationTokensPerSecond,
            String kernels,
            String storedWeights,
            int threads,
            List<Double> seconds,
            List<Double> generation) {
        static Result of(Path path, Options options, Engine engine, List<Double> seconds, List<Double> generation) {
            double tokens = (double) options.streams * options.newTokens;
            return new Result(
                    Objects.toString(path.getFileName()),
                    options.streams,
                    options.promptTokens,
                    options.newTokens,
                    tokens / Timings.median(seconds),
                    (tokens - options.streams) / Timings.median(generation),
                    engine.describe(),
                    engine.storedGemm().name(),
                    engine.pool().threads(),
                    seconds,
                    generation);
        }
    }

    /** Runs it. */
    public static Result run(Path path, Engine engine, Options options) {
        ReleasedModel released = ReleasedModel.open(path, engine, ReleasedModel.Options.DEFAULT);
        long positions = (long) options.streams * (options.promptTokens + options.newTokens + 128);
        GenerationEngine.Options settings = GenerationEngine.Options.withPositions(positions)
                .withMaxRunning(options.streams)
                .withMaxQueued(options.streams)
                .withPrefixReuse(false)
                .withSpeculation(false);
        List<Double> seconds = new ArrayList<>();
        List<Double> generation = new ArrayList<>();
        try (GenerationEngine engineOfRequests =
                GenerationEngine.start(released.model(), released.tokenizer(), List.of(), settings)) {
            for (int run = 0; run <= options.runs; run++) {
                long start = System.nanoTime();
                long lastFirst =
                        generate(engineOfRequests, options, released.model().vocabSize());
                long end = System.nanoTime();
                if (run > 0) {
                    seconds.add((end - start) * 1e-9);
                    generation.add((end - lastFirst) * 1e-9);
                }
            }
        }
        return Result.of(path, options, engine, seconds, generation);
    }

    /** Runs all streams once and returns the moment when the last of them had its first token. */
    private static long generate(GenerationEngine engine, Options options, int vocabulary) {
        AtomicLong lastFirst = new AtomicLong(Long.MIN_VALUE);
        List<CompletableFuture<GenerationEvent.End>> ends = new ArrayList<>();
        for (int stream = 0; stream < options.streams; stream++) {
            CompletableFuture<GenerationEvent.End> end = new CompletableFuture<>();
            ends.add(end);
            Prompt prompt = new Prompt(RandomPrompt.of(stream, options.promptTokens, vocabulary), ReasoningFormat.NONE);
            boolean[] begun = new boolean[1];
            engine.submit(prompt, Sampling.GREEDY.withMaxTokens(options.newTokens), event -> {
                switch (event) {
                    case GenerationEvent.Tokens tokens -> {
                        if (!begun[0]) {
                            begun[0] = true;
                            lastFirst.accumulateAndGet(System.nanoTime(), Math::max);
                        }
                    }
                    case GenerationEvent.End ended -> end.complete(ended);
                }
            });
        }
        for (CompletableFuture<GenerationEvent.End> end : ends) {
            GenerationEvent.End ended = end.join();
            if (ended.usage().completionTokens() != options.newTokens) {
                throw new BenchException("a stream gave " + ended.usage().completionTokens() + " tokens and not "
                        + options.newTokens + " (" + ended.reason()
                        + (ended.error() == null ? "" : ": " + ended.error()) + ")");
            }
        }
        return lastFirst.get();
    }
}
