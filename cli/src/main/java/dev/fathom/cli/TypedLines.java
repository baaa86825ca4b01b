package dev.fathom.cli;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.Charset;
import java.util.function.Consumer;
import org.jline.reader.EndOfFileException;
import org.jline.reader.LineReader;
import org.jline.reader.LineReaderBuilder;
import org.jline.reader.UserInterruptException;
import org.jline.terminal.Terminal;
import org.jline.terminal.TerminalBuilder;
import org.jline.utils.Signals;

/** What a user types, line by line, until {@code exit} or the end of input; empty lines are left out. */
final class TypedLines {
    private TypedLines() {}

    /** Hands every line on. */
    static void read(Terminals terminals, Consumer<String> lines) {
        if (terminals.in() && terminals.out()) {
            readTerminal(lines);
        } else {
            readPipe(lines);
        }
    }

    private static void readTerminal(Consumer<String> lines) {
        // Asking the terminal about grapheme clusters means waiting for its answers, a third of a second where it gives
        // none.
        try (Terminal terminal =
                TerminalBuilder.builder().system(true).graphemeCluster(false).build()) {
            LineReader reader = LineReaderBuilder.builder()
                    .terminal(terminal)
                    .appName("fathom")
                    .option(LineReader.Option.DISABLE_EVENT_EXPANSION, true)
                    .build();
            while (true) {
                try {
                    if (isEnd(reader.readLine("> "), lines)) {
                        return;
                    }
                } catch (UserInterruptException e) {
                    // Ctrl-C drops the line that is being typed.
                }
            }
        } catch (EndOfFileException e) {
            return;
        } catch (IOException e) {
            throw new UncheckedIOException("the terminal cannot be opened: " + e.getMessage(), e);
        }
    }

    private static void readPipe(Consumer<String> lines) {
        // Not closed: standard input is not ours to close.
        BufferedReader reader = new BufferedReader(new InputStreamReader(System.in, charset()));
        try {
            String line = reader.readLine();
            while (line != null && !isEnd(line, lines)) {
                line = reader.readLine();
            }
        } catch (IOException e) {
            throw new UncheckedIOException("standard input cannot be read: " + e.getMessage(), e);
        }
    }

    private static Charset charset() {
        return Charset.forName(System.getProperty("stdin.encoding", "UTF-8"));
    }

    private static boolean isEnd(String line, Consumer<String> lines) {
        String text = line.strip();
        if (text.equals("exit") || text.equals("quit")) {
            return true;
        }
        if (!text.isEmpty()) {
            lines.accept(text);
        }
        return false;
    }

    /** Runs an answer; Ctrl-C stops the answer and not the program. */
    static void stoppable(Runnable stop, Runnable answer) {
        Object previous = Signals.register("INT", stop);
        try {
            answer.run();
        } finally {
            if (previous != null) {
                Signals.unregister("INT", previous);
            }
        }
    }
}
