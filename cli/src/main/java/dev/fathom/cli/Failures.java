package dev.fathom.cli;

import dev.fathom.bench.BenchException;
import dev.fathom.infer.GenerationException;
import dev.fathom.learn.LearnException;
import dev.fathom.model.files.ModelFileException;
import dev.fathom.plan.PlanException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;

/** Turns whatever a command throws into one line on standard error and an exit code; a stack trace only for those who asked. */
final class Failures {
    private Failures() {}

    static CommandLine handleIn(CommandLine commands, Main main) {
        return commands.setParameterExceptionHandler((e, args) -> usage(e))
                .setExecutionStrategy(parsed -> {
                    try {
                        return new CommandLine.RunLast().execute(parsed);
                    } catch (Error e) {
                        // Errors, such as those for want of memory, would otherwise leave past the handler below.
                        throw new CommandLine.ExecutionException(commands, e.toString(), e);
                    }
                })
                .setExecutionExceptionHandler((e, command, parsed) -> {
                    Throwable cause =
                            e instanceof CommandLine.ExecutionException && e.getCause() != null ? e.getCause() : e;
                    PrintWriter err = command.getErr();
                    err.println("fathom: " + describe(cause));
                    if (main.debug()) {
                        cause.printStackTrace(err);
                    }
                    err.flush();
                    return exitCode(cause);
                });
    }

    /** A line that says what is wrong and what to do. */
    static String describe(Throwable e) {
        return switch (e) {
            case LearnException known -> message(known);
            case ModelFileException known -> message(known);
            case PlanException known -> message(known);
            case IllegalArgumentException known -> message(known);
            case CommandException known -> message(known);
            case BenchException known -> message(known);
            case GenerationException known -> message(known);
            case UncheckedIOException known -> message(known);
            case OutOfMemoryError known ->
                "not enough memory (" + message(known) + "). Close other programs, make the model, the batch or the"
                        + " number of samples smaller, or allow a larger heap with FATHOM_JAVA_OPTS=-Xmx4g.";
            default ->
                "an error in Fathom itself: " + e.toString().replace('\n', ' ')
                        + ". Please report it with what FATHOM_DEBUG=1 shows.";
        };
    }

    private static String message(Throwable e) {
        String message = e.getMessage();
        return message == null ? e.getClass().getSimpleName() : message.strip().replaceAll("\\s*\\R\\s*", " ");
    }

    private static int exitCode(Throwable e) {
        return switch (e) {
            case CommandException known -> known.exitCode();
            case LearnException known -> ExitCode.USAGE;
            case ModelFileException known -> ExitCode.USAGE;
            case PlanException known -> ExitCode.USAGE;
            case IllegalArgumentException known -> ExitCode.USAGE;
            default -> ExitCode.SOFTWARE;
        };
    }

    private static int usage(ParameterException e) {
        CommandLine command = e.getCommandLine();
        PrintWriter err = command.getErr();
        String name = command.getCommandSpec().qualifiedName();
        if (e instanceof UnmatchedArgumentException unmatched) {
            List<String> similar = unmatched.getSuggestions();
            err.println(name + ": " + e.getMessage()
                    + (similar.isEmpty() ? "." : ". Did you mean " + String.join(" or ", similar) + "?")
                    + " See: ./" + name + " --help");
        } else if (command.getParent() == null) {
            err.println(e.getMessage());
            command.usage(err);
        } else {
            err.println(name + ": " + e.getMessage() + ". See: ./" + name + " --help");
        }
        err.flush();
        return ExitCode.USAGE;
    }
}
