package dev.fathom.cli;

import java.util.LinkedHashMap;
import java.util.SequencedMap;
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
        })
public final class Main implements Runnable {
    /** In the order of the help text. */
    private static final SequencedMap<String, Class<?>> COMMANDS = new LinkedHashMap<>();

    static {
        COMMANDS.put("learn", LearnCommand.class);
        COMMANDS.put("resume", ResumeCommand.class);
        COMMANDS.put("pretrain", PretrainCommand.class);
        COMMANDS.put("rl", RlCommand.class);
        COMMANDS.put("eval", EvalCommand.class);
        COMMANDS.put("chat", ChatCommand.class);
        COMMANDS.put("serve", ServeCommand.class);
        COMMANDS.put("generate", GenerateCommand.class);
        COMMANDS.put("plan", PlanCommand.class);
        COMMANDS.put("report", ReportCommand.class);
        COMMANDS.put("runs", RunsCommand.class);
        COMMANDS.put("inspect", InspectCommand.class);
        COMMANDS.put("logits", LogitsCommand.class);
        COMMANDS.put("convert", ConvertCommand.class);
        COMMANDS.put("bench", BenchCommand.class);
        COMMANDS.put("tokenizer", TokenizerCommand.class);
    }

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
        boolean vectors = ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent();
        if (vectors && args.length == 1 && (args[0].equals("--version") || args[0].equals("-V"))) {
            // What is asked for most often and by programs: before anything is set up that only commands need.
            for (String line : new VersionProvider().getVersion()) {
                System.out.println(line);
            }
            return;
        }
        StandardError.takeBack();
        if (!vectors) {
            // Everything would run, some 30 times slower: better not at all.
            System.err.println(
                    "fathom: the JVM was started without --add-modules jdk.incubator.vector. Start Fathom with"
                            + " ./fathom, or see its command line with ./fathom --show-command.");
            System.exit(CommandLine.ExitCode.SOFTWARE);
        }
        // What libraries log is one line among others, not a timestamp and a class.
        System.setProperty("java.util.logging.SimpleFormatter.format", "fathom: %5$s%n");
        System.exit(commandLine(Terminals.ofThisProcess(), args).execute(args));
    }

    /** The whole command tree as {@link #main} runs it, without leaving the JVM and without terminals: for tests. */
    static CommandLine commandLine() {
        return commandLine(Terminals.NONE);
    }

    /**
     * Reading the annotations of all commands takes longer than many a command, so where the first word is one, that one will do;
     * otherwise (help, a typing mistake) all of them.
     */
    static CommandLine commandLine(Terminals terminals, String... args) {
        Main main = new Main(terminals);
        CommandLine commandLine = new CommandLine(main);
        if (args.length > 0 && COMMANDS.containsKey(args[0])) {
            commandLine.addSubcommand(args[0], COMMANDS.get(args[0]));
        } else {
            COMMANDS.forEach(commandLine::addSubcommand);
        }
        return Failures.handleIn(commandLine, main);
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
