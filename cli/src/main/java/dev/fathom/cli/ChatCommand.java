package dev.fathom.cli;

import dev.fathom.engine.Engine;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** {@code fathom chat}: give a model problems and watch it think. */
@Command(
        name = "chat",
        mixinStandardHelpOptions = true,
        versionProvider = VersionProvider.class,
        description =
                "Talk to a model: type a problem such as 347*28, see its thinking (dimmed on a terminal) and its answer."
                        + " Ends with `exit` or Ctrl-D.")
final class ChatCommand implements Callable<Integer> {
    @ParentCommand
    private Main main;

    @Spec
    private CommandSpec spec;

    @Parameters(index = "0", paramLabel = "RUN|MODEL", description = "A run or a model directory.")
    private Path path;

    @Option(names = "--checkpoint", paramLabel = "NAME", description = "A checkpoint of the run. Default: the newest.")
    private @Nullable String checkpoint;

    @Option(
            names = "--temperature",
            paramLabel = "T",
            description =
                    "0 takes the most probable token each time, 1 samples as in training. Default: ${DEFAULT-VALUE}.",
            defaultValue = "1")
    private float temperature;

    @Option(
            names = "--seed",
            paramLabel = "N",
            description = "Seed of sampling. Default: ${DEFAULT-VALUE}.",
            defaultValue = "1")
    private long seed;

    @Option(names = "--prompt", paramLabel = "TEXT", description = "Answer this one problem and end.")
    private @Nullable String prompt;

    @Mixin
    private EngineOptions engineOptions;

    @Override
    public Integer call() {
        if (!(temperature >= 0 && temperature <= 10)) {
            throw new CommandException(ExitCode.USAGE, "--temperature must be between 0 and 10, was " + temperature);
        }
        Screen screen = main.screen(spec);
        ModelPath model = ModelPath.find(path, checkpoint);
        try (Engine engine = engineOptions.open()) {
            Chat chat = new Chat(screen, model, engine, temperature, seed);
            if (prompt != null) {
                return chat.answer(prompt) ? ExitCode.OK : ExitCode.USAGE;
            }
            screen.note(engine.describe());
            screen.note("model: " + model.directory() + " ; type a problem" + chat.examples() + ", or exit");
            chat.loop();
            return ExitCode.OK;
        }
    }
}
