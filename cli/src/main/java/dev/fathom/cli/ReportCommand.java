package dev.fathom.cli;

import dev.fathom.learn.report.Report;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** {@code fathom report}: the report of a run, made again from its files. */
@Command(
        name = "report",
        mixinStandardHelpOptions = true,
        versionProvider = VersionProvider.class,
        description = "Write report.html of a run again, from the files of its directory; also while the run goes on.")
final class ReportCommand implements Callable<Integer> {
    @ParentCommand
    private Main main;

    @Spec
    private CommandSpec spec;

    @Parameters(index = "0", paramLabel = "RUN", description = "Directory of the run.")
    private Path run;

    @Override
    public Integer call() {
        main.screen(spec).line(Report.write(run).toString());
        return ExitCode.OK;
    }
}
