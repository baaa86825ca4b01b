package dev.fathom.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** {@code fathom plan}: only the parent of its subcommands. */
@Command(
        name = "plan",
        mixinStandardHelpOptions = true,
        versionProvider = VersionProvider.class,
        synopsisSubcommandLabel = "COMMAND",
        description =
                "What training and serving a model costs on a cluster, or on this machine: time, memory, hours, dollars.",
        subcommands = {
            PlanTrainCommand.class,
            PlanServeCommand.class,
            PlanRlCommand.class,
            PlanSearchCommand.class,
            PlanExpertsCommand.class
        })
final class PlanCommand implements Runnable {
    @ParentCommand
    private Main main;

    @Spec
    private CommandSpec spec;

    Screen screen(CommandSpec command) {
        return main.screen(command);
    }

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "Missing command.");
    }
}
