package dev.fathom.cli;

import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** {@code fathom resume}: an interrupted run goes on from its newest checkpoint. */
@Command(
        name = "resume",
        mixinStandardHelpOptions = true,
        versionProvider = VersionProvider.class,
        description =
                "Go on with an interrupted run, however it ended. The final weights are the same bytes as without the"
                        + " interruption, on any number of threads; recipe, seed and precision are those of the run.")
final class ResumeCommand implements Callable<Integer> {
    @ParentCommand
    private Main main;

    @Spec
    private CommandSpec spec;

    @Parameters(index = "0", paramLabel = "RUN", description = "Directory of the run.")
    private Path run;

    @Option(
            names = "--json",
            description =
                    "Print the lines of metrics.jsonl on standard output, and everything for people on standard error.")
    private boolean json;

    @Mixin
    private EngineOptions engine;

    @Override
    public Integer call() {
        return new Runner(main.screen(spec), json).resume(run, engine);
    }
}
