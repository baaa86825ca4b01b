package dev.fathom.bench;

import dev.fathom.learn.Json;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * Fathom and llama.cpp in turns on the same file, for the reason that {@link Comparison} gives. Both read the same prompt of random tokens and write greedily;
 * every run of either is a process of its own.
 */
public final class ModelComparison {
    private ModelComparison() {}

    /**
     * How it is compared.
     *
     * @param model a GGUF file
     * @param mainClass of the {@code fathom} command
     * @param engine options for {@code fathom bench}: precision, products, threads
     * @param threads of both sides
     * @param pairs processes of each side
     * @param node the program Node.js
     * @param folder that has {@code node_modules/node-llama-cpp}, or null if nobody named it
     * @param timeoutSeconds of one process of llama.cpp
     */
    public record Options(
            Path model,
            String mainClass,
            List<String> engine,
            int threads,
            int pairs,
            InferenceBenchmark.Options run,
            String node,
            @Nullable String folder,
            long timeoutSeconds) {
        public Options {
            if (run.newTokens() < 1) {
                throw new IllegalArgumentException("needs new tokens >= 1, are " + run.newTokens());
            }
            if (pairs < 1 || timeoutSeconds < 1) {
                throw new IllegalArgumentException(
                        "needs pairs >= 1, timeout >= 1 s; are " + pairs + ", " + timeoutSeconds);
            }
        }
    }

    /**
     * What one process reached.
     *
     * @param promptTokensPerSecond tokens of the prompt over the time to the first new one
     * @param tokensPerSecond tokens after the first over their time
     * @param loadSeconds opening the model
     * @param firstTokenSeconds from the start of the process to the first token, after a prompt of 16
     */
    public record Speed(
            double promptTokensPerSecond, double tokensPerSecond, double loadSeconds, double firstTokenSeconds) {
        static Speed of(JsonNode json, InferenceBenchmark.Options run) {
            return new Speed(
                    run.promptTokens() / median(json.path("promptRunSeconds")),
                    run.newTokens() / median(json.path("runSeconds")),
                    json.path("loadSeconds").asDouble(),
                    json.path("firstTokenSeconds").asDouble());
        }

        private static double median(JsonNode seconds) {
            return Timings.median(seconds.valueStream().map(JsonNode::asDouble).toList());
        }
    }

    /**
     * Two neighbours; ratios above 1 say that Fathom is faster.
     *
     * @param readGigabytesPerSecond what memory gave Fathom's process after its runs
     */
    public record Pair(
            Speed fathom,
            Speed llama,
            double promptRatio,
            double ratio,
            double firstTokenRatio,
            double readGigabytesPerSecond) {}

    /** What came out: medians over the pairs. */
    public record Result(
            String model,
            int promptTokens,
            int newTokens,
            double promptRatio,
            double ratio,
            double firstTokenRatio,
            Speed fathom,
            Speed llama,
            String kernels,
            String storedWeights,
            String peer,
            int threads,
            List<Pair> pairs) {}

    /**
     * Compares.
     *
     * @param progress hears a line for every pair
     * @throws BenchException if the file, Node.js or node-llama-cpp is missing, or a process fails
     */
    public static Result run(Options options, Consumer<String> progress) {
        if (!Files.isRegularFile(options.model)) {
            throw new BenchException(
                    options.model + (Files.isDirectory(options.model) ? " is a folder" : " is not there")
                            + "; llama.cpp reads GGUF files (fathom convert writes them).");
        }
        LlamaPeer peer = LlamaPeer.find(options.node, options.folder, options.timeoutSeconds);
        List<Pair> pairs = new ArrayList<>();
        String kernels = "";
        String storedWeights = "";
        String version = "";
        for (int i = 1; i <= options.pairs; i++) {
            JsonNode ours = fathom(options);
            JsonNode theirs = llama(peer, options);
            kernels = ours.path("kernels").asString();
            storedWeights = ours.path("storedWeights").asString();
            version = theirs.path("peer").asString();
            Pair pair = pair(
                    Speed.of(ours, options.run),
                    Speed.of(theirs, options.run),
                    ours.path("peak").path("readGigabytesPerSecond").asDouble());
            pairs.add(pair);
            progress.accept(ReportText.format("pair %d of %d: ", i, options.pairs) + ReportText.of(pair));
        }
        return new Result(
                Objects.toString(options.model.getFileName()),
                options.run.promptTokens(),
                options.run.newTokens(),
                median(pairs, Pair::promptRatio),
                median(pairs, Pair::ratio),
                median(pairs, Pair::firstTokenRatio),
                median(pairs.stream().map(Pair::fathom).toList()),
                median(pairs.stream().map(Pair::llama).toList()),
                kernels,
                storedWeights,
                version,
                options.threads,
                pairs);
    }

    private static Pair pair(Speed fathom, Speed llama, double readGigabytesPerSecond) {
        return new Pair(
                fathom,
                llama,
                fathom.promptTokensPerSecond / llama.promptTokensPerSecond,
                fathom.tokensPerSecond / llama.tokensPerSecond,
                llama.firstTokenSeconds / fathom.firstTokenSeconds,
                readGigabytesPerSecond);
    }

    private static <T> double median(List<T> of, ToDoubleFunction<T> value) {
        return Timings.median(of.stream().map(value::applyAsDouble).toList());
    }

    private static Speed median(List<Speed> speeds) {
        return new Speed(
                median(speeds, Speed::promptTokensPerSecond),
                median(speeds, Speed::tokensPerSecond),
                median(speeds, Speed::loadSeconds),
                median(speeds, Speed::firstTokenSeconds));
    }

    private static JsonNode llama(LlamaPeer peer, Options options) {
        InferenceBenchmark.Options run = options.run;
        return peer.run(
                "llama.mjs",
                options.model,
                run.promptTokens(),
                run.newTokens(),
                run.warmup(),
                run.runs(),
                options.threads);
    }

    private static JsonNode fathom(Options options) {
        List<String> words = new ArrayList<>(List.of("bench", "decode", options.model.toString(), "--json"));
        words.addAll(List.of("--prompt-tokens", Integer.toString(options.run.promptTokens())));
        words.addAll(List.of("--new-tokens", Integer.toString(options.run.newTokens())));
        words.addAll(List.of("--warmup", Integer.toString(options.run.warmup())));
        words.addAll(List.of("--runs", Integer.toString(options.run.runs())));
        words.addAll(options.engine);
        return Json.MAPPER.readTree(JavaFork.run(options.mainClass, words));
    }
}
