package dev.fathom.cli;

import dev.fathom.bench.JavaFork;
import dev.fathom.bench.OperationBenchmark;
import dev.fathom.bench.OperationBenchmark.Kind;
import dev.fathom.bench.OperationBenchmark.Result;
import dev.fathom.bench.ProductShape;
import dev.fathom.bench.Workload;
import dev.fathom.engine.Engine;
import dev.fathom.learn.Json;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** What {@code bench gemm} and {@code bench kernels} have in common: operations of a workload, alone, in one JVM or several. */
final class BenchOperations {
    private static final int MOST_FORKS = 100;

    @Option(
            names = "--workload",
            paramLabel = "NAME",
            description = "Whose operations: a workload of bench train. Default: ${DEFAULT-VALUE}.",
            defaultValue = "w2")
    private String workload;

    @Option(
            names = "--seconds",
            paramLabel = "S",
            description = "For each operation, half of them to warm up. Default: ${DEFAULT-VALUE}.",
            defaultValue = "0.3")
    private double seconds;

    @Option(
            names = "--forks",
            paramLabel = "N",
            description =
                    "JVMs to measure in, one after another; more than one shows the worst. Default: ${DEFAULT-VALUE}.",
            defaultValue = "1")
    private int forks;

    @Option(names = "--json", description = "Print the result as one JSON object.")
    private boolean json;

    @Mixin
    private EngineOptions engineOptions;

    boolean json() {
        return json;
    }

    Result measure(Kind kind, List<ProductShape> shapes) {
        if (forks < 1 || forks > MOST_FORKS) {
            throw new CommandException(
                    ExitCode.USAGE, "--forks must be between 1 and " + MOST_FORKS + ", was " + forks + ".");
        }
        Workload found = Workload.training(workload);
        if (forks == 1) {
            try (Engine engine = engineOptions.open()) {
                return OperationBenchmark.run(kind, found, engine, shapes, seconds);
            }
        }
        List<String> words = new ArrayList<>(List.of("bench", kind == Kind.GEMM ? "gemm" : "kernels", "--json"));
        words.addAll(List.of("--seconds", Double.toString(seconds)));
        if (shapes.isEmpty()) {
            words.addAll(List.of("--workload", workload));
        }
        for (ProductShape shape : shapes) {
            words.addAll(List.of("--shape", shape.text()));
        }
        words.addAll(engineOptions.words());
        List<Result> results = new ArrayList<>();
        for (int fork = 0; fork < forks; fork++) {
            results.add(Json.MAPPER.readValue(JavaFork.run(Main.class.getName(), words), Result.class));
        }
        return OperationBenchmark.merge(results);
    }
}
