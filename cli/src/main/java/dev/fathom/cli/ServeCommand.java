package dev.fathom.cli;

import dev.fathom.engine.Engine;
import dev.fathom.infer.Fathom;
import dev.fathom.serve.ServedModel;
import dev.fathom.serve.Server;
import dev.fathom.serve.ServerOptions;
import dev.fathom.serve.api.ReasoningInput;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import org.jline.utils.Signals;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** {@code fathom serve}: the OpenAI API over a model, a page to talk to it, and the dashboard of runs. */
@Command(
        name = "serve",
        mixinStandardHelpOptions = true,
        versionProvider = VersionProvider.class,
        description =
                "Serve a model: the OpenAI API with DeepSeek's reasoning_content under /v1, a page to talk to it under /,"
                        + " runs under /runs, /health and /metrics. Ends with Ctrl-C, after the answers under way.")
final class ServeCommand implements Callable<Integer> {
    @ParentCommand
    private Main main;

    @Spec
    private CommandSpec spec;

    @Parameters(index = "0", paramLabel = "MODEL", description = "A GGUF file, a Hugging Face directory, or a run.")
    private Path path;

    @Option(
            names = "--host",
            paramLabel = "HOST",
            description =
                    "Address to listen on; 0.0.0.0 for other machines, with an --api-key. Default: ${DEFAULT-VALUE}.",
            defaultValue = "127.0.0.1")
    private String host;

    @Option(
            names = "--port",
            paramLabel = "N",
            description = "Port to listen on, 0 for any that is free. Default: ${DEFAULT-VALUE}.",
            defaultValue = "8080")
    private int port;

    @Option(
            names = "--name",
            paramLabel = "NAME",
            description = "What clients call the model. Default: the last part of its path.")
    private @Nullable String name;

    @Option(
            names = "--api-key",
            paramLabel = "KEY",
            description = "What clients must present as a bearer token; @FILE reads it from a file. Default: nothing.")
    private @Nullable String apiKey;

    @Option(
            names = "--running",
            paramLabel = "N",
            description = "Answers generated at the same time. Default: ${DEFAULT-VALUE}.",
            defaultValue = "64")
    private int running;

    @Option(
            names = "--queue",
            paramLabel = "N",
            description = "Requests that may wait; one more gets a 429. Default: ${DEFAULT-VALUE}.",
            defaultValue = "256")
    private int queue;

    @Option(
            names = "--cache-mb",
            paramLabel = "MB",
            description = "Memory for keys and values, of running requests and of prompts that begin the same."
                    + " Default: a quarter of the machine's, or what can be used.")
    private @Nullable Long cacheMegabytes;

    @Option(
            names = "--max-body-mb",
            paramLabel = "MB",
            description = "Largest request. Default: ${DEFAULT-VALUE}.",
            defaultValue = "16")
    private int maxBodyMegabytes;

    @Option(
            names = "--reasoning-input",
            paramLabel = "accept|reject|require",
            description =
                    "reasoning_content in the messages of a request: accept takes it or leaves it, reject refuses it (DeepSeek's rule"
                            + " of 2025), require wants it back beside tool calls (the rule since V3.2). Default: ${DEFAULT-VALUE}.",
            defaultValue = "accept")
    private String reasoningInput;

    @Option(
            names = "--drain-seconds",
            paramLabel = "S",
            description = "How long answers under way may take after Ctrl-C or SIGTERM. Default: ${DEFAULT-VALUE}.",
            defaultValue = "30")
    private int drainSeconds;

    @Option(
            names = "--runs",
            paramLabel = "DIR",
            description = "Runs that the dashboard shows. Default: ${DEFAULT-VALUE}.",
            defaultValue = "runs")
    private Path runs;

    @Mixin
    private EngineOptions engineOptions;

    @Mixin
    private KeyValueOption keyValueOption;

    @Override
    public Integer call() throws InterruptedException {
        Screen screen = main.screen(spec);
        if (!Files.exists(path)) {
            throw new CommandException(ExitCode.USAGE, path + " does not exist. Your runs: ./fathom runs");
        }
        ServerOptions options = options();
        CountDownLatch stop = new CountDownLatch(1);
        Object previousInterrupt = Signals.register("INT", () -> stopOrHalt(stop, screen));
        Object previousTerminate = Signals.register("TERM", () -> stopOrHalt(stop, screen));
        try (Server server = HttpServers.start(options);
                Engine engine = keyValueOption.open(engineOptions)) {
            screen.note("loading " + path + " ...");
            Fathom.Options memory =
                    new Fathom.Options(cacheMegabytes == null ? null : cacheMegabytes << 20, running, queue);
            try (Fathom fathom = Fathom.load(path, engine, memory)) {
                server.serve(ServedModel.of(fathom, name == null ? fathom.name() : name, modified()));
                screen.line(server.url());
                screen.note(engine.describe());
                screen.note("OpenAI API: " + server.url() + "/v1 ; runs: " + server.url() + "/runs ; Ctrl-C ends");
                stop.await();
                boolean complete = server.drain(Duration.ofSeconds(drainSeconds));
                screen.note(complete ? "All answers are complete." : "Answers that took longer were cut off.");
                return ExitCode.OK;
            }
        } finally {
            unregister("INT", previousInterrupt);
            unregister("TERM", previousTerminate);
        }
    }

    private void stopOrHalt(CountDownLatch stop, Screen screen) {
        if (stop.getCount() == 0) {
            Runtime.getRuntime().halt(ExitCode.SOFTWARE);
        }
        screen.note("No more requests; answers under way have " + drainSeconds + " s. Once more ends at once.");
        stop.countDown();
    }

    private static void unregister(String signal, @Nullable Object previous) {
        if (previous != null) {
            Signals.unregister(signal, previous);
        }
    }

    private ServerOptions options() {
        require(port >= 0 && port <= 65_535, "--port must be between 0 and 65535, was " + port);
        require(running >= 1, "--running must be at least 1, was " + running);
        require(queue >= 1, "--queue must be at least 1, was " + queue);
        require(maxBodyMegabytes >= 1, "--max-body-mb must be at least 1, was " + maxBodyMegabytes);
        require(drainSeconds >= 0, "--drain-seconds must be at least 0, was " + drainSeconds);
        require(cacheMegabytes == null || cacheMegabytes >= 1, "--cache-mb must be at least 1, was " + cacheMegabytes);
        ReasoningInput rule = switch (reasoningInput) {
            case "accept" -> ReasoningInput.ACCEPT;
            case "reject" -> ReasoningInput.REJECT;
            case "require" -> ReasoningInput.REQUIRE_WITH_TOOLS;
            default ->
                throw new CommandException(
                        ExitCode.USAGE,
                        "--reasoning-input must be accept, reject or require, was \"" + reasoningInput + "\"");
        };
        boolean local = List.of("127.0.0.1", "localhost", "::1").contains(host);
        if (!local && apiKey == null) {
            main.screen(spec).note("Everybody who reaches " + host + " can use this server; --api-key closes it.");
        }
        return ServerOptions.DEFAULT
                .withAddress(host, port)
                .withApiKey(key())
                .withMaxBody((long) maxBodyMegabytes << 20)
                .withReasoningInput(rule)
                .withRuns(runs);
    }

    private static void require(boolean valid, String message) {
        if (!valid) {
            throw new CommandException(ExitCode.USAGE, message);
        }
    }

    private @Nullable String key() {
        if (apiKey == null || !apiKey.startsWith("@")) {
            return apiKey;
        }
        try {
            return Files.readString(Path.of(apiKey.substring(1))).strip();
        } catch (IOException e) {
            throw new CommandException(ExitCode.USAGE, "--api-key: cannot read " + apiKey.substring(1) + ": " + e, e);
        }
    }

    private long modified() {
        try {
            return Files.getLastModifiedTime(path).toInstant().getEpochSecond();
        } catch (IOException e) {
            throw new UncheckedIOException(Objects.toString(e.getMessage()), e);
        }
    }
}
