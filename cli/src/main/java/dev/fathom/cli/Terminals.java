package dev.fathom.cli;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.io.IOException;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.invoke.MethodHandle;
import org.jline.terminal.Terminal;
import org.jline.terminal.TerminalBuilder;

/**
 * Which of the standard streams are a terminal, each for itself ({@code System.console} only knows about all of them together), and how wide it is.
 *
 * @param in standard input
 * @param out standard output
 * @param err standard error
 * @param color whether colours and dimming are wanted there; not with {@code NO_COLOR} (no-color.org)
 * @param width columns
 */
record Terminals(boolean in, boolean out, boolean err, boolean color, int width) {
    private static final int USUAL_WIDTH = 80;

    /** Files, pipes and tests. */
    static final Terminals NONE = new Terminals(false, false, false, false, USUAL_WIDTH);

    static Terminals ofThisProcess() {
        boolean out = isTerminal(1);
        boolean err = isTerminal(2);
        String noColor = System.getenv("NO_COLOR");
        boolean color = (noColor == null || noColor.isEmpty()) && !"dumb".equals(System.getenv("TERM"));
        return new Terminals(isTerminal(0), out, err, color, err || out ? askWidth() : USUAL_WIDTH);
    }

    private static boolean isTerminal(int descriptor) {
        Linker linker = Linker.nativeLinker();
        MethodHandle isatty = linker.downcallHandle(
                linker.defaultLookup().findOrThrow("isatty"), FunctionDescriptor.of(JAVA_INT, JAVA_INT));
        try {
            return (int) isatty.invokeExact(descriptor) == 1;
        } catch (Throwable e) {
            throw new AssertionError("isatty throws nothing", e);
        }
    }

    private static int askWidth() {
        try (Terminal terminal =
                TerminalBuilder.builder().system(true).dumb(true).build()) {
            return terminal.getWidth() > 0 ? terminal.getWidth() : USUAL_WIDTH;
        } catch (IOException e) {
            return USUAL_WIDTH;
        }
    }
}
