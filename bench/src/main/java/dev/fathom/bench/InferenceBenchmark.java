package dev.fathom.bench;

import dev.fathom.engine.Engine;
import dev.fathom.infer.GenerationEngine;
import dev.fathom.infer.GenerationEvent;
import dev.fathom.infer.Prompt;
import dev.fathom.infer.ReasoningFormat;
import dev.fathom.infer.Sampling;
import dev.fathom.model.ReleasedModel;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/**
 * A released model on one request, as its user sees it: a prompt of random tokens, then greedy tokens one by one through the {@link GenerationEngine}, sampler
 * and text included. Nothing is reused from run to run but the pages of the file in memory.
 */
public final class InferenceBenchmark {
    /** Tokens of the prompt of the very first token, which is about opening the model. */
    private static final int FIRST_PROMPT = 16;

    private InferenceBenchmark() {}

    /**
     * How it is measured.
     *
     * @param promptTokens of each prompt
     * @param newTokens after the first one, which the prompt's forward pass gives
     * @param warmup runs before it is timed
     * @param runs that are timed
     */
    public record Options(int promptTokens, int newTokens, int warmup, int runs) {
        public Options {
            if (promptTokens < 1 || newTokens < 0 || warmup < 0 || runs < 1) {
                throw new IllegalArgumentException(
                        "needs prompt tokens >= 1, new tokens >= 0, warmup >= 0, runs >= 1; are " + promptTokens + ", "
                                + newTokens + ", " + warmup + ", " + runs);
            }
        }
    }

    /**
     * What came out. Names are those of the JSON.
     *
     * @param promptTokensPerSecond tokens of the prompt over the time to the first new one, median of the runs
     * @param tokensPerSecond tokens after the first over their time, median of the runs; null where none were asked for
     * @param loadSeconds opening the model, before the first run
     * @param firstTokenSeconds from the start of the process to the first token, after a prompt of 16
     * @param storedWeights what multiplies weights as the file has them
     */
    public record Result(
            String model,
            String architecture,
            int promptTokens,
            int newTokens,
            double promptTokensPerSecond,
            @Nullable Double tokensPerSecond,
            double loadSeconds,
            double firstTokenSeconds,
            String kernels,
            String storedWeights,
            int threads,
            long peakMemoryBytes,
            List<Double> promptRunSeconds,
            List<Double> runSeconds,
            MachinePeak peak) {}

    /** Seconds of one run. */
    private record Run(double prompt, double generation) {}

    /** Runs it. */
    public static Result run(Path path, Engine engine, Options options) {
        long start = System.nanoTime();
        ReleasedModel released = ReleasedModel.open(path, engine, ReleasedModel.Options.DEFAULT);
        double load = seconds(start);
        long positions = (long) options.promptTokens + options.newTokens + 2;
        GenerationEngine.Options settings = GenerationEngine.Options.withPositions(positions)
                .withPrefixReuse(false)
                .withSpeculation(false);
        int vocabulary = released.model().vocabSize();
        int[] prompt = RandomPrompt.of(0, options.promptTokens, vocabulary);
        List<Run> runs = new ArrayList<>();
        double first;
        try (GenerationEngine generation =
                GenerationEngine.start(released.model(), released.tokenizer(), List.of(), settings)) {
            int[] firstPrompt = RandomPrompt.of(0, Math.min(FIRST_PROMPT, options.promptTokens), vocabulary);
            generate(generation, firstPrompt, 0);
            first = secondsOfProcess();
            for (int i = 0; i < options.warmup + options.runs; i++) {
                Run run = generate(generation, prompt, options.newTokens);
                if (i >= options.warmup) {
                    runs.add(run);
                }
            }
        }
        List<Double> prompts = runs.stream().map(Run::prompt).toList();
        List<Double> generations = runs.stream().map(Run::generation).toList();
        OptionalLong memory = ProcessMemory.peakResidentBytes();
        return new Result(
                Objects.toString(path.getFileName()),
                released.architecture(),
                options.promptTokens,
                options.newTokens,
                options.promptTokens / Timings.median(prompts),
                options.newTokens == 0 ? null : options.newTokens / Timings.median(generations),
                load,
                first,
                engine.describe(),
                engine.storedGemm().name(),
                engine.pool().threads(),
                memory.orElse(0),
                prompts,
                generations,
                MachinePeak.measure(engine));
    }

    private static Run generate(GenerationEngine generation, int[] prompt, int newTokens) {
        CompletableFuture<GenerationEvent.End> end = new CompletableFuture<>();
        List<Long> times = new ArrayList<>();
        long start = System.nanoTime();
        generation.submit(
                new Prompt(prompt, ReasoningFormat.NONE), Sampling.GREEDY.withMaxTokens(newTokens + 1), event -> {
                    long now = System.nanoTime();
                    switch (event) {
                        case GenerationEvent.Tokens tokens -> tokens.tokens().forEach(token -> times.add(now));
                        case GenerationEvent.End ended -> end.complete(ended);
                    }
                });
        GenerationEvent.End ended = end.join();
        if (times.size() != newTokens + 1) {
            throw new BenchException("the model gave " + times.size() + " tokens and not " + (newTokens + 1) + " ("
                    + ended.reason() + (ended.error() == null ? "" : ": " + ended.error()) + ")");
        }
        return new Run((times.getFirst() - start) * 1e-9, (times.getLast() - times.getFirst()) * 1e-9);
    }

    private static double secondsOfProcess() {
        return (System.currentTimeMillis()
                        - ManagementFactory.getRuntimeMXBean().getStartTime())
                * 1e-3;
    }

    private static double seconds(long start) {
        return (System.nanoTime() - start) * 1e-9;
    }
}
