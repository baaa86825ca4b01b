package dev.fathom.bench;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * Fathom and llama.cpp in turns with the same GGUF file and the same streams ({@link StreamsBenchmark}): llama.cpp as node-llama-cpp runs parallel sequences,
 * its server's batching without HTTP.
 */
public final class LlamaStreams {
    private LlamaStreams() {}

    /**
     * How it is compared.
     *
     * @param model a GGUF file
     * @param streams of each run
     * @param node the program Node.js
     * @param folder that has {@code node_modules/node-llama-cpp}, or null if nobody named it
     */
    public record Options(
            Path model,
            Contest contest,
            StreamsBenchmark.Options streams,
            String node,
            @Nullable String folder) {}

    /** Two neighbouring runs, in new tokens per second of all streams together, prompts included. */
    public record Pair(double fathom, double llama, double ratio) {}

    /**
     * What came out.
     *
     * @param ratio median over the pairs
     */
    public record Result(
            String model,
            double ratio,
            double worstRatio,
            double tokensPerSecond,
            double llamaTokensPerSecond,
            String kernels,
            String llama,
            StreamsBenchmark.Options streams,
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
        StreamsBenchmark.Options streams = options.streams;
        LlamaPeer peer = LlamaPeer.find(options.node, options.folder, options.model, contest.timeoutSeconds());
        List<Pair> pairs = new ArrayList<>();
        String kernels = "";
        String version = "";
        double tokens = (double) streams.streams() * streams.newTokens();
        for (int i = 1; i <= contest.pairs(); i++) {
            JsonNode fathom = contest.fathom(
                    "streams",
                    options.model,
                    "--streams",
                    streams.streams(),
                    "--prompt-tokens",
                    streams.promptTokens(),
                    "--new-tokens",
                    streams.newTokens(),
                    "--runs",
                    streams.runs());
            JsonNode llama = peer.run(
                    "llama_streams.mjs",
                    streams.streams(),
                    streams.promptTokens(),
                    streams.newTokens(),
                    streams.runs(),
                    contest.threads());
            kernels = fathom.path("kernels").asString();
            version = llama.path("peer").asString();
            double ours = fathom.path("tokensPerSecond").asDouble();
            double theirs = tokens
                    / Timings.median(llama.path("seconds")
                            .valueStream()
                            .map(JsonNode::asDouble)
                            .toList());
            pairs.add(new Pair(ours, theirs, ours / theirs));
            progress.accept(ReportText.format(
                    "pair %d of %d: Fathom %,.1f tokens/s, llama.cpp %,.1f tokens/s, ratio %.2f",
                    i, contest.pairs(), ours, theirs, ours / theirs));
        }
        return new Result(
                Objects.toString(options.model.getFileName()),
                Timings.median(pairs.stream().map(Pair::ratio).toList()),
                pairs.stream().mapToDouble(Pair::ratio).min().orElseThrow(),
                Timings.median(pairs.stream().map(Pair::fathom).toList()),
                Timings.median(pairs.stream().map(Pair::llama).toList()),
                kernels,
                version,
                streams,
                contest.threads(),
                pairs);
    }
}
