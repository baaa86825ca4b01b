package dev.fathom.cli;

import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The {@code fathom} command: only the parent of its subcommands, each in a class of its own. */
@Command(
        name = "fathom",
        description = "The DeepSeek recipe on the JVM: train, improve and run a reasoning model from one Java engine.",
        mixinStandardHelpOptions = true,
        versionProvider = VersionProvider.class,
        synopsisSubcommandLabel = "COMMAND")
public final class Main implements Runnable {
    @Spec
    private CommandSpec spec;

    public static void main(String[] args) {
        StandardError.takeBack();
        if (ModuleLayer.boot().findModule("jdk.incubator.vector").isEmpty()) {
            // Everything would run, some 30 times slower: better not at all.
            System.err.println(
                    "fathom: the JVM was started without --add-modules jdk.incubator.vector. Start Fathom with"
                            + " ./fathom, or see its command line with ./fathom --show-command.");
            System.exit(CommandLine.ExitCode.SOFTWARE);
        }
        System.exit(commandLine().execute(args));
    }

    /** The whole command tree, as {@link #main} runs it; tests run it without leaving their JVM. */
    static CommandLine commandLine() {
        return new CommandLine(new Main());
    }

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "Missing command.");
    }
}
