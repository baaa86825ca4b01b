package dev.fathom.cli;

import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** {@code fathom bench prefill}: how fast a released model reads a prompt. */
@Command(
        name = "prefill",
        mixinStandardHelpOptions = true,
        versionProvider = VersionProvider.class,
        description = "Measure prompts of a released model: tokens per second until the first new one.")
final class BenchPrefillCommand implements Callable<Integer> {
    @ParentCommand
    private BenchCommand bench;

    @Spec
    private CommandSpec spec;

    @Mixin
    private ReleasedModelBench run;

    @Override
    public Integer call() {
        run.run(bench, spec, 0);
        return ExitCode.OK;
    }
}
