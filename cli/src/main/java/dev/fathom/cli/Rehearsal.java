package dev.fathom.cli;

import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.jline.reader.LineReaderBuilder;
import org.jline.terminal.Terminal;
import org.jline.terminal.TerminalBuilder;

/**
 * Runs the commands once, small and unseen, so that the JVM can write down what they load: the launcher does so after a build, with
 * {@code -XX:ArchiveClassesAtExit}, and later starts find their classes in that archive.
 */
final class Rehearsal {
    private static final String RECIPE = "tiny.json";

    private Rehearsal() {}

    /** @param args a folder to work in, which is deleted before and afterwards */
    public static void main(String[] args) throws IOException {
        Path folder = Path.of(args[0]);
        delete(folder);
        Files.createDirectories(folder);
        Path recipe = folder.resolve(RECIPE);
        try (InputStream in = Rehearsal.class.getResourceAsStream(RECIPE)) {
            Files.copy(Objects.requireNonNull(in), recipe);
        }
        Path run = folder.resolve("run");
        Main.main(new String[] {"--version"});
        run("--help");
        run("learn", "--recipe", recipe, "--out", run, "--minutes", 0.1);
        run("chat", run, "--prompt", "12*3");
        run("eval", run, "--problems", 1, "--samples", 1);
        run("report", run);
        run("runs", folder);
        openLineReader();
        delete(folder);
    }

    private static void run(Object... words) {
        int exitCode = Main.commandLine(Terminals.ofThisProcess())
                .setOut(new PrintWriter(Writer.nullWriter()))
                .execute(Stream.of(words).map(Object::toString).toArray(String[]::new));
        if (exitCode != 0) {
            throw new IllegalStateException("exit code " + exitCode + " of " + List.of(words));
        }
    }

    /** What {@link Chat} opens on a terminal; here there is none, and JLine makes do. */
    private static void openLineReader() throws IOException {
        try (Terminal terminal =
                TerminalBuilder.builder().system(true).dumb(true).build()) {
            LineReaderBuilder.builder().terminal(terminal).build().getVariables();
        }
    }

    private static void delete(Path folder) throws IOException {
        if (Files.exists(folder)) {
            try (Stream<Path> files = Files.walk(folder)) {
                for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                    Files.delete(file);
                }
            }
        }
    }
}
