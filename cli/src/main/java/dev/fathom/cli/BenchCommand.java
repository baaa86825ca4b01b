package dev.fathom.cli;

import dev.fathom.learn.Json;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** {@code fathom bench}: how fast this machine is with Fathom, and how far from what it could do. */
@Command(
        name = "bench",
        mixinStandardHelpOptions = true,
        versionProvider = VersionProvider.class,
        synopsisSubcommandLabel = "COMMAND",
        description =
                "Measure speed: training, rollouts, matrix products, kernels, learning a text, released models, and side by side with PyTorch or llama.cpp.",
        subcommands = {
            BenchTrainCommand.class,
            BenchRolloutCommand.class,
            BenchGemmCommand.class,
            BenchKernelsCommand.class,
            BenchTextCommand.class,
            BenchPrefillCommand.class,
            BenchDecodeCommand.class,
            BenchStreamsCommand.class,
            BenchCompareCommand.class
        })
final class BenchCommand implements Runnable {
    @ParentCommand
    private Main main;

    @Spec
    private CommandSpec spec;

    @Override
    public void run() {
        throw new ParameterException(
                spec.commandLine(),
                "Missing command: train, rollout, gemm, kernels, text, prefill, decode, streams or compare");
    }

    /** For what is said before the result: on standard error where a program reads standard output. */
    Screen screen(CommandSpec command, boolean json) {
        Screen screen = main.screen(command);
        return json ? screen.onStandardError() : screen;
    }

    /** Refuses options that would be ignored. */
    static void refuse(CommandSpec command, List<String> options, String reason) {
        for (String option : options) {
            if (command.commandLine().getParseResult().hasMatchedOption(option)) {
                throw new CommandException(ExitCode.USAGE, option + " " + reason + ".");
            }
        }
    }

    /** Prints one JSON object for programs, or lines for people. */
    void print(CommandSpec command, boolean json, Object result, List<String> lines) {
        Screen screen = main.screen(command);
        if (json) {
            screen.line(Json.MAPPER.writeValueAsString(result));
        } else {
            lines.forEach(screen::line);
        }
    }

    /** A file in the folder {@code shared} beside Fathom's own, which is the one with the module that this class is from. */
    static Path shared(String... names) {
        Path file = Path.of("shared", names);
        try {
            Path place = Path.of(BenchCommand.class
                    .getProtectionDomain()
                    .getCodeSource()
                    .getLocation()
                    .toURI());
            while (place != null && !place.endsWith("cli")) {
                place = place.getParent();
            }
            return (place == null ? Path.of("..") : place.resolve("../..").normalize()).resolve(file);
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }
}
