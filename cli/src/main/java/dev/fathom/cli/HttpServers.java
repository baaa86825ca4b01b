package dev.fathom.cli;

import dev.fathom.serve.Server;
import dev.fathom.serve.ServerOptions;
import java.io.UncheckedIOException;
import java.util.logging.Level;
import java.util.logging.Logger;
import picocli.CommandLine.ExitCode;

/** Opens servers for commands. */
final class HttpServers {
    /** What the web server says of itself is nothing that a user asked for. Fields, because loggers that nobody holds forget their level. */
    private static final Logger WEB_SERVER = Logger.getLogger("io.helidon");

    /** Logs with a stack trace what the exception below says in a line. */
    private static final Logger START = Logger.getLogger("io.helidon.webserver.LoomServer");

    private HttpServers() {}

    /** @throws CommandException if the address cannot be used */
    static Server start(ServerOptions options) {
        WEB_SERVER.setLevel(Level.WARNING);
        START.setLevel(Level.OFF);
        try {
            return Server.start(options);
        } catch (UncheckedIOException e) {
            throw new CommandException(
                    ExitCode.USAGE,
                    "cannot listen on " + options.host() + ", port " + options.port() + ": " + reason(e),
                    e);
        }
    }

    private static String reason(UncheckedIOException e) {
        return e.getCause() == null
                ? String.valueOf(e.getMessage())
                : String.valueOf(e.getCause().getMessage());
    }
}
