package dev.fathom.cli;

import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** {@code fathom bench decode}: how fast a released model writes. */
@Command(
        name = "decode",
        mixinStandardHelpOptions = true,
        versionProvider = VersionProvider.class,
        description =
                "Measure generation of a released model: tokens per second of one greedy response, after a prompt.")
final class BenchDecodeCommand implements Callable<Integer> {
    @ParentCommand
    private BenchCommand bench;

    @Spec
    private CommandSpec spec;

    @Mixin
    private ReleasedModelBench run;

    @Option(
            names = "--new-tokens",
            paramLabel = "N",
            description = "Tokens after the first, at least 1. Default: ${DEFAULT-VALUE}.",
            defaultValue = "128")
    private int newTokens;

    @Override
    public Integer call() {
        run.run(bench, spec, newTokens);
        return ExitCode.OK;
    }
}
