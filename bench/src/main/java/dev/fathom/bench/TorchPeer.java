package dev.fathom.bench;

import dev.fathom.learn.Json;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;

/**
 * The same workloads in PyTorch: a Python that has torch, and the script that trains with it.
 *
 * @param python the program
 * @param version of torch
 * @param script takes {@code w1|w2|w3 --dtype --threads --steps [--compile] [--fused-adamw] [--attn]} and prints one line of JSON
 * @param timeoutSeconds after which a run is given up: torch.compile can take minutes
 */
record TorchPeer(String python, String version, Path script, long timeoutSeconds) {
    /** Some environments name old processor kernels here, which OpenBLAS then runs at two thirds of its speed. */
    private static final List<String> UNSET = List.of("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE");

    /** A way to run PyTorch. */
    enum Variant {
        EAGER_F32("eager-f32"),
        EAGER_BF16("eager-bf16", "--dtype", "bf16", "--attn", "manual"),
        COMPILE_F32("compile-f32", "--compile"),
        COMPILE_BF16("compile-bf16", "--compile", "--dtype", "bf16", "--attn", "manual");

        private final String key;
        private final List<String> flags;

        Variant(String key, String... flags) {
            this.key = key;
            this.flags = List.of(flags);
        }

        String key() {
            return key;
        }

        boolean compiles() {
            return flags.contains("--compile");
        }

        static Variant of(String key) {
            return Stream.of(values())
                    .filter(variant -> variant.key.equals(key))
                    .findFirst()
                    .orElseThrow(() -> new IllegalArgumentException("no peer variant is called \"" + key
                            + "\"; there are: "
                            + Stream.of(values()).map(Variant::key).collect(Collectors.joining(", "))));
        }

        /** Rollouts have nothing that the script compiles. */
        static List<Variant> of(boolean rollout) {
            return Stream.of(values())
                    .filter(variant -> !rollout || !variant.compiles())
                    .toList();
        }
    }

    /**
     * Finds a Python with torch: the named one, else {@code python3} if it has it.
     *
     * @throws BenchException if there is none, or no script
     */
    static TorchPeer find(@Nullable String named, Path script, long timeoutSeconds) {
        String python = named == null || named.isBlank() ? "python3" : named;
        String how = " Name a Python that has torch with FATHOM_TORCH_PYTHON=/path/to/python.";
        String version = version(python, how);
        if (!Files.isReadable(script)) {
            throw new BenchException(
                    script + ", the PyTorch side of the comparison, is not there. Name it with --script.");
        }
        return new TorchPeer(python, version, script, timeoutSeconds);
    }

    private static String version(String python, String how) {
        JavaFork.Output output;
        try {
            output =
                    JavaFork.run(List.of(python, "-c", "import torch; print(torch.__version__)"), Map.of(), UNSET, 120);
        } catch (UncheckedIOException e) {
            throw new BenchException("cannot run " + python + ": " + e.getMessage() + "." + how);
        }
        if (output.exitCode() != 0) {
            throw new BenchException(python + " cannot import torch (" + output.complaint() + ")." + how);
        }
        return output.lastLine().strip();
    }

    /**
     * One run. The optimizer is fused where torch can do that on a CPU.
     *
     * @return tokens per second
     * @throws BenchException if the script fails
     */
    double tokensPerSecond(String workload, Variant variant, int threads, int steps) {
        JavaFork.Output output = run(workload, variant, threads, steps, true);
        if (output.exitCode() != 0) {
            output = run(workload, variant, threads, steps, false);
        }
        if (output.exitCode() != 0) {
            throw new BenchException("PyTorch " + variant.key + " failed: " + output.complaint());
        }
        JsonNode json;
        try {
            json = Json.MAPPER.readTree(output.lastLine());
        } catch (JacksonException e) {
            throw new BenchException(script + " printed no JSON, but: " + output.lastLine());
        }
        for (String key : List.of("tokens_per_s", "new_tokens_per_s")) {
            if (json.path(key).isNumber()) {
                return json.path(key).asDouble();
            }
        }
        throw new BenchException(script + " printed neither tokens_per_s nor new_tokens_per_s: " + output.lastLine());
    }

    private JavaFork.Output run(String workload, Variant variant, int threads, int steps, boolean fused) {
        List<String> command = new ArrayList<>(List.of(
                python,
                script.toString(),
                workload,
                "--threads",
                Integer.toString(threads),
                "--steps",
                Integer.toString(steps)));
        command.addAll(variant.flags);
        if (fused) {
            command.add("--fused-adamw");
        }
        return JavaFork.run(command, Map.of(), UNSET, timeoutSeconds);
    }
}
