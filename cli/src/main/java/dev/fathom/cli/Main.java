package dev.fathom.cli;

import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;

/** The {@code fathom} command: only the parent of its subcommands, each in a class of its own. */
@Command(
        name = "fathom",
        description = "The DeepSeek recipe on the JVM: train, improve and run a reasoning model from one Java engine.",
        mixinStandardHelpOptions = true,
        versionProvider = VersionProvider.class,
        synopsisSubcommandLabel = "COMMAND",
        commandListHeading = "%nCommands:%n",
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {
            "0:done",
            "1:failed on the way; a run can be continued with `fathom resume`",
            "2:wrong command line or input (recipe, task, model, run directory); nothing was done",
            "130:interrupted with Ctrl-C: a checkpoint was saved, go on with `fathom resume` (143: by SIGTERM)"
        },
        subcommands = {
            LearnCommand.class,
            ResumeCommand.class,
            PretrainCommand.class,
            RlCommand.class,
            EvalCommand.class,
            ChatCommand.class,
            ReportCommand.class,
            RunsCommand.class
        })
public final class Main implements Runnable {
    @Spec
    private CommandSpec spec;

    @Option(
            names = "--debug",
            scope = ScopeType.INHERIT,
            description = "Show the stack trace of an error; so does FATHOM_DEBUG=1.")
    private boolean debug;

    private final Terminals terminals;

    private Main(Terminals terminals) {
        this.terminals = terminals;
    }

    public static void main(String[] args) {
        StandardError.takeBack();
        if (ModuleLayer.boot().findModule("jdk.incubator.vector").isEmpty()) {
            // Everything would run, some 30 times slower: better not at all.
            System.err.println(
                    "fathom: the JVM was started without --add-modules jdk.incubator.vector. Start Fathom with"
                            + " ./fathom, or see its command line with ./fathom --show-command.");
            System.exit(CommandLine.ExitCode.SOFTWARE);
        }
        // What libraries log is one line among others, not a timestamp and a class.
        System.setProperty("java.util.logging.SimpleFormatter.format", "fathom: %5$s%n");
        System.exit(commandLine(Terminals.ofThisProcess()).execute(args));
    }

    /** The whole command tree as {@link #main} runs it, without leaving the JVM and without terminals: for tests. */
    static CommandLine commandLine() {
        return commandLine(Terminals.NONE);
    }

    private static CommandLine commandLine(Terminals terminals) {
        Main main = new Main(terminals);
        return Failures.handleIn(new CommandLine(main), main);
    }

    /** Where a command writes to. */
    Screen screen(CommandSpec command) {
        return new Screen(command.commandLine().getOut(), command.commandLine().getErr(), terminals);
    }

    boolean debug() {
        return debug || "1".equals(System.getenv("FATHOM_DEBUG"));
    }

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "Missing command.");
    }
}
