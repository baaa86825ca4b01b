package dev.fathom.cli;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

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
        return new Terminals(isTerminal(0), out, err, color, err ? askWidth(2) : USUAL_WIDTH);
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

    /** Asks the system, not the terminal: what a terminal answers would have to be read from the user's input. */
    private static int askWidth(int descriptor) {
        boolean mac = System.getProperty("os.name").startsWith("Mac");
        long getWindowSize = mac ? 0x40087468L : 0x5413L; // TIOCGWINSZ
        Linker linker = Linker.nativeLinker();
        MethodHandle ioctl = linker.downcallHandle(
                linker.defaultLookup().findOrThrow("ioctl"),
                FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG, ADDRESS),
                Linker.Option.firstVariadicArg(2));
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment size = arena.allocate(JAVA_SHORT, 4); // rows, columns, and both in pixels
            int result = (int) ioctl.invokeExact(descriptor, getWindowSize, size);
            int columns = size.getAtIndex(JAVA_SHORT, 1);
            return result == 0 && columns > 0 ? columns : USUAL_WIDTH;
        } catch (Throwable e) {
            throw new AssertionError("ioctl throws nothing", e);
        }
    }
}
