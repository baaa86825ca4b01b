package dev.fathom.bench;

import dev.fathom.learn.Json;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * Fathom and llama.cpp in turns with the same GGUF file and the same streams ({@link StreamsBenchmark}): llama.cpp as node-llama-cpp runs parallel sequences,
 * its server's batching without HTTP. Every run of either is a process of its own.
 */
public final class LlamaStreams {
    private LlamaStreams() {}

    /**
     * How it is compared.
     *
     * @param model a GGUF file
     * @param mainClass of the {@code fathom} command
     * @param engine options for {@code fathom bench}: precision, products, threads
     * @param threads of both sides
     * @param pairs runs of each side
     * @param node the program Node.js
     * @param folder that has {@code node_modules/node-llama-cpp}, or null if nobody named it
     * @param timeoutSeconds of one run of llama.cpp
     */
    public record Options(
            Path model,
            String mainClass,
            List<String> engine,
            int threads,
            StreamsBenchmark.Options streams,
            int pairs,
            String node,
            @Nullable String folder,
            long timeoutSeconds) {
        public Options {
            if (pairs < 1 || timeoutSeconds < 1) {
                throw new IllegalArgumentException(
                        "needs pairs >= 1, timeout >= 1 s; are " + pairs + ", " + timeoutSeconds);
            }
        }
    }

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
     * @throws BenchException if Node.js or node-llama-cpp is missing, or a process fails
     */
    public static Result run(Options options, Consumer<String> progress) {
        LlamaPeer peer = LlamaPeer.find(options.node, options.folder, options.timeoutSeconds);
        List<Pair> pairs = new ArrayList<>();
        String kernels = "";
        String version = "";
        double tokens = (double) options.streams.streams() * options.streams.newTokens();
        for (int i = 1; i <= options.pairs; i++) {
            JsonNode fathom = fathom(options);
            JsonNode llama = llama(peer, options);
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
                    i, options.pairs, ours, theirs, ours / theirs));
        }
        return new Result(
                Objects.toString(options.model.getFileName()),
                Timings.median(pairs.stream().map(Pair::ratio).toList()),
                pairs.stream().mapToDouble(Pair::ratio).min().orElseThrow(),
                Timings.median(pairs.stream().map(Pair::fathom).toList()),
                Timings.median(pairs.stream().map(Pair::llama).toList()),
                kernels,
                version,
                options.streams,
                options.threads,
                pairs);
    }

    private static JsonNode fathom(Options options) {
        StreamsBenchmark.Options streams = options.streams;
        List<String> words = new ArrayList<>(List.of("bench", "streams", options.model.toString(), "--json"));
        words.addAll(List.of("--streams", Integer.toString(streams.streams())));
        words.addAll(List.of("--prompt-tokens", Integer.toString(streams.promptTokens())));
        words.addAll(List.of("--new-tokens", Integer.toString(streams.newTokens())));
        words.addAll(List.of("--runs", Integer.toString(streams.runs())));
        words.addAll(options.engine);
        return Json.MAPPER.readTree(JavaFork.run(options.mainClass, words));
    }

    private static JsonNode llama(LlamaPeer peer, Options options) {
        StreamsBenchmark.Options streams = options.streams;
        return peer.run(
                "llama_streams.mjs",
                options.model,
                streams.streams(),
                streams.promptTokens(),
                streams.newTokens(),
                streams.runs(),
                options.threads);
    }
}
