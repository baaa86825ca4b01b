package dev.fathom.bench;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** Fathom and llama.cpp in turns on the same file. Both read the same prompt of random tokens and write greedily. */
public final class ModelComparison {
    private ModelComparison() {}

    /**
     * How it is compared.
     *
     * @param model a GGUF file
     * @param run of each process
     * @param node the program Node.js
     * @param folder that has {@code node_modules/node-llama-cpp}, or null if nobody named it
     */
    public record Options(
            Path model,
            Contest contest,
            InferenceBenchmark.Options run,
            String node,
            @Nullable String folder) {
        public Options {
            if (run.newTokens() < 1) {
                throw new IllegalArgumentException("needs new tokens >= 1, are " + run.newTokens());
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
        Contest contest = options.contest;
        InferenceBenchmark.Options run = options.run;
        LlamaPeer peer = LlamaPeer.find(options.node, options.folder, options.model, contest.timeoutSeconds());
        List<Pair> pairs = new ArrayList<>();
        String kernels = "";
        String storedWeights = "";
        String version = "";
        for (int i = 1; i <= contest.pairs(); i++) {
            JsonNode ours = contest.fathom(
                    "decode",
                    options.model,
                    "--prompt-tokens",
                    run.promptTokens(),
                    "--new-tokens",
                    run.newTokens(),
                    "--warmup",
                    run.warmup(),
                    "--runs",
                    run.runs());
            JsonNode theirs = peer.run(
                    "llama.mjs", run.promptTokens(), run.newTokens(), run.warmup(), run.runs(), contest.threads());
            kernels = ours.path("kernels").asString();
            storedWeights = ours.path("storedWeights").asString();
            version = theirs.path("peer").asString();
            Pair pair = pair(
                    Speed.of(ours, run),
                    Speed.of(theirs, run),
                    ours.path("peak").path("readGigabytesPerSecond").asDouble());
            pairs.add(pair);
            progress.accept(ReportText.format("pair %d of %d: ", i, contest.pairs()) + ReportText.of(pair));
        }
        return new Result(
                Objects.toString(options.model.getFileName()),
                run.promptTokens(),
                run.newTokens(),
                median(pairs, Pair::promptRatio),
                median(pairs, Pair::ratio),
                median(pairs, Pair::firstTokenRatio),
                median(pairs.stream().map(Pair::fathom).toList()),
                median(pairs.stream().map(Pair::llama).toList()),
                kernels,
                storedWeights,
                version,
                contest.threads(),
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
}
