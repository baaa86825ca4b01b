package dev.fathom.cli;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.invoke.MethodHandle;

/**
 * Takes back the standard error that the {@code fathom} launcher keeps as another file descriptor while the JVM starts:
 * until {@code main} runs, standard error is a filter that drops Java's warning about incubator modules, for which Java has
 * no switch. From here on the process (native libraries included) writes to the terminal itself again.
 */
final class StandardError {
    /** Set by the launcher to the number of the real standard error; not set when Java was started by hand. */
    private static final String KEPT_DESCRIPTOR = "fathom.stderr";

    private StandardError() {}

    static void takeBack() {
        Integer kept = Integer.getInteger(KEPT_DESCRIPTOR);
        if (kept == null) {
            return;
        }
        Linker linker = Linker.nativeLinker();
        MethodHandle dup2 = linker.downcallHandle(
                linker.defaultLookup().findOrThrow("dup2"), FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT));
        int result;
        try {
            result = (int) dup2.invokeExact((int) kept, 2);
        } catch (Throwable e) {
            throw new AssertionError("dup2 throws nothing", e);
        }
        if (result != 2) {
            throw new IllegalStateException("-D" + KEPT_DESCRIPTOR + "=" + kept
                    + " names no open file descriptor; start Fathom with ./fathom, or leave the property out");
        }
    }
}
