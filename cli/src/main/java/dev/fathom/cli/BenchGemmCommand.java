package dev.fathom.cli;

import dev.fathom.bench.OperationBenchmark.Kind;
import dev.fathom.bench.OperationBenchmark.Result;
import dev.fathom.bench.ProductShape;
import dev.fathom.bench.ReportText;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** {@code fathom bench gemm}: matrix products alone. */
@Command(
        name = "gemm",
        mixinStandardHelpOptions = true,
        versionProvider = VersionProvider.class,
        description = "Measure matrix products alone: those of a training step (forward, and backward to inputs and to"
                + " weights), odd sizes, and experts that share their rows unevenly.")
final class BenchGemmCommand implements Callable<Integer> {
    @ParentCommand
    private BenchCommand bench;

    @Spec
    private CommandSpec spec;

    @Option(
            names = "--shape",
            paramLabel = "RxIxO[xE]",
            description =
                    "Instead, products of this size: rows, inputs, outputs, and experts. Several times for several.")
    private @Nullable List<String> shapes;

    @Mixin
    private BenchOperations operations;

    @Override
    public Integer call() {
        if (shapes != null) {
            BenchCommand.refuse(spec, List.of("--workload"), "does not go with --shape");
        }
        List<ProductShape> asked = shapes == null
                ? List.of()
                : shapes.stream().map(ProductShape::parse).toList();
        Result result = operations.measure(Kind.GEMM, asked);
        bench.print(spec, operations.json(), result, ReportText.of(result));
        return ExitCode.OK;
    }
}
