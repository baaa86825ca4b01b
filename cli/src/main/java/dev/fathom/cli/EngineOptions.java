package dev.fathom.cli;

import dev.fathom.engine.Engine;
import dev.fathom.engine.Engine.PrecisionChoice;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Option;

/** The options of every command that computes: how many threads, which precision, which matrix products. */
final class EngineOptions {
    private static final int MOST_THREADS = 1024;

    @Option(
            names = "--threads",
            paramLabel = "N",
            description =
                    "Threads to compute with; the results are the same for any number. Default: one per processor.")
    private @Nullable Integer threads;

    @Option(
            names = "--precision",
            paramLabel = "auto|f32|bf16",
            description =
                    "Operands of matrix products. auto: bf16 where it is fast here, else f32. Other precision, other bits.")
    private @Nullable String precision;

    @Option(
            names = "--gemm",
            paramLabel = "auto|vector|avx512|onednn",
            description =
                    "Matrix products: auto takes the fastest, vector is pure Java. One that is not there is an error.")
    private @Nullable String gemm;

    /** Opens what was asked for. */
    Engine open() {
        return open(precision(), gemm());
    }

    Engine open(PrecisionChoice choice, String provider) {
        return Engine.open(choice, provider, threads());
    }

    int threads() {
        int count = threads == null ? Runtime.getRuntime().availableProcessors() : threads;
        if (count < 1 || count > MOST_THREADS) {
            throw new CommandException(
                    ExitCode.USAGE, "--threads must be between 1 and " + MOST_THREADS + ", was " + count + ".");
        }
        return count;
    }

    /** The same options as words of a command line, for a process that is to compute like this one. */
    List<String> words() {
        return List.of(
                "--threads",
                Integer.toString(threads()),
                "--precision",
                precision().name().toLowerCase(Locale.ROOT),
                "--gemm",
                gemm());
    }

    PrecisionChoice precision() {
        return precision == null ? PrecisionChoice.AUTO : choice(precision);
    }

    String gemm() {
        return gemm == null ? "auto" : gemm;
    }

    boolean asksForPrecision() {
        return precision != null && precision() != PrecisionChoice.AUTO;
    }

    boolean asksForGemm() {
        return gemm != null;
    }

    /** The choice that is written like this. */
    static PrecisionChoice choice(String name) {
        for (PrecisionChoice choice : PrecisionChoice.values()) {
            if (choice.name().toLowerCase(Locale.ROOT).equals(name)) {
                return choice;
            }
        }
        throw new CommandException(ExitCode.USAGE, "--precision must be auto, f32 or bf16, was \"" + name + "\".");
    }
}
