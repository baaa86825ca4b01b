package dev.fathom.cli;

import picocli.CommandLine;
import picocli.CommandLine.Command;

/** The {@code fathom} command: only the parent of its subcommands, each in a class of its own. */
@Command(
        name = "fathom",
        description = "The DeepSeek recipe on the JVM: train, improve and run a reasoning model from one Java engine.",
        mixinStandardHelpOptions = true,
        versionProvider = VersionProvider.class,
        synopsisSubcommandLabel = "COMMAND")
public final class Main implements Runnable {
    @CommandLine.Spec
    private CommandLine.Model.CommandSpec spec;

    public static void main(String[] args) {
        System.exit(commandLine().execute(args));
    }

    /** The whole command tree, as {@link #main} runs it; tests run it without leaving their JVM. */
    static CommandLine commandLine() {
        return new CommandLine(new Main());
    }

    @Override
    public void run() {
        throw new CommandLine.ParameterException(spec.commandLine(), "Missing command.");
    }
}
