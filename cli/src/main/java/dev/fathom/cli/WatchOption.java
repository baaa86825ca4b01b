package dev.fathom.cli;

import dev.fathom.serve.Server;
import dev.fathom.serve.ServerOptions;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Option;

/** {@code --watch}: the dashboard beside a run. */
final class WatchOption {
    @Option(
            names = "--watch",
            arity = "0..1",
            paramLabel = "PORT",
            fallbackValue = "8080",
            description =
                    "Show the run's curves live in a browser, under http://127.0.0.1:PORT/runs. Default port: 8080.")
    private @Nullable Integer port;

    /** Opens the dashboard if it was asked for. */
    @Nullable
    Server open(Screen screen, Path runs) {
        if (port == null) {
            return null;
        }
        if (port < 0 || port > 65_535) {
            throw new CommandException(ExitCode.USAGE, "--watch must be between 0 and 65535, was " + port);
        }
        Server server = HttpServers.start(
                ServerOptions.DEFAULT.withAddress("127.0.0.1", port).withRuns(runs));
        screen.note("watch the run: " + server.url() + "/runs");
        return server;
    }
}
