package dev.fathom.cli;

import dev.fathom.bench.OperationBenchmark.Kind;
import dev.fathom.bench.OperationBenchmark.Result;
import dev.fathom.bench.ReportText;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** {@code fathom bench kernels}: everything but matrix products, alone. */
@Command(
        name = "kernels",
        mixinStandardHelpOptions = true,
        versionProvider = VersionProvider.class,
        description =
                "Measure the kernels of a training step alone: norms, attention, routing, losses, optimizer; against"
                        + " the roofline of each.")
final class BenchKernelsCommand implements Callable<Integer> {
    @ParentCommand
    private BenchCommand bench;

    @Spec
    private CommandSpec spec;

    @Mixin
    private BenchOperations operations;

    @Override
    public Integer call() {
        Result result = operations.measure(Kind.KERNELS, List.of());
        bench.print(spec, operations.json(), result, ReportText.of(result));
        return ExitCode.OK;
    }
}
