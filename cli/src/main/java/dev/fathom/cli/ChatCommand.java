package dev.fathom.cli;

import dev.fathom.engine.Engine;
import dev.fathom.infer.Fathom;
import dev.fathom.infer.Sampling;
import dev.fathom.model.checkpoint.CheckpointReader;
import java.nio.file.Files;
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
                "Talk to a model, see its thinking (dimmed on a terminal) and its answer: a conversation with a released model,"
                        + " problems such as 347*28 for one of your own. Ctrl-C stops an answer; `exit` or Ctrl-D ends.")
final class ChatCommand implements Callable<Integer> {
    @ParentCommand
    private Main main;

    @Spec
    private CommandSpec spec;

    @Parameters(index = "0", paramLabel = "RUN|MODEL", description = "A run, a model directory or a GGUF file.")
    private Path path;

    @Option(names = "--checkpoint", paramLabel = "NAME", description = "A checkpoint of the run. Default: the newest.")
    private @Nullable String checkpoint;

    @Option(names = "--system", paramLabel = "TEXT", description = "Instructions for a released model.")
    private @Nullable String system;

    @Option(names = "--prompt", paramLabel = "TEXT", description = "Answer this one problem or message and end.")
    private @Nullable String prompt;

    @Mixin
    private ThinkingOption thinkingOption;

    @Mixin
    private SamplingOptions samplingOptions;

    @Mixin
    private EngineOptions engineOptions;

    @Mixin
    private KeyValueOption keyValueOption;

    @Override
    public Integer call() {
        Screen screen = main.screen(spec);
        return isReleased(path) ? converse(screen) : solve(screen);
    }

    /** A file, or a directory with a chat template, and no run: a model that holds conversations. */
    private static boolean isReleased(Path path) {
        return Files.isRegularFile(path)
                || (Files.isRegularFile(path.resolve("config.json"))
                        && CheckpointReader.open(path).chatTemplate() != null);
    }

    /** A model that somebody released. */
    private int converse(Screen screen) {
        if (checkpoint != null) {
            throw new CommandException(
                    ExitCode.USAGE, "--checkpoint is for runs, and " + path + " is none (it has no run.json).");
        }
        try (Engine engine = keyValueOption.open(engineOptions);
                Fathom fathom = Fathom.load(path, engine, new Fathom.Options(null, 1, 1))) {
            if (!fathom.canChat()) {
                throw new CommandException(
                        ExitCode.USAGE,
                        path + " has no chat template, so it cannot chat. ./fathom generate --raw continues a text.");
            }
            Sampling sampling = samplingOptions.applyTo(fathom.defaults());
            Conversation conversation =
                    new Conversation(screen, fathom, sampling, system, thinkingOption.thinking(fathom));
            if (prompt != null) {
                conversation.answer(prompt);
                return ExitCode.OK;
            }
            screen.note(engine.describe());
            screen.note(
                    "model: " + path + " ; type a message, /clear to begin again, or exit. Ctrl-C stops an answer.");
            conversation.loop();
            return ExitCode.OK;
        }
    }

    /** A model of a run, which solves problems. */
    private int solve(Screen screen) {
        if (system != null || thinkingOption.isGiven()) {
            throw new CommandException(
                    ExitCode.USAGE,
                    (system != null ? "--system" : "--no-thinking") + " is for models with a chat template, and " + path
                            + " has none.");
        }
        Sampling sampling = samplingOptions.applyTo(Sampling.DEFAULT);
        ModelPath model = ModelPath.find(path, checkpoint);
        try (Engine engine = keyValueOption.open(engineOptions);
                Chat chat = new Chat(screen, model, engine, sampling)) {
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
