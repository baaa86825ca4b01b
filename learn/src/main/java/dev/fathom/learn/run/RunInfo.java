package dev.fathom.learn.run;

import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * {@code run.json}: everything needed to know what a run was and to do it again.
 *
 * @param name the run's name, usually that of its directory
 * @param created when it began, ISO 8601
 * @param status {@code running}, {@code finished} or {@code stopped}
 * @param command the command line that repeats the run
 * @param seed of all random numbers
 * @param fathom version of Fathom
 * @param java version of the JVM
 * @param machine processor and memory, for the reader of timings
 * @param kernels the kernels line, such as {@code vector 512-bit + oneDNN bf16, 2 threads}
 * @param precision of the matrix products, {@code f32} or {@code bf16}: another one gives other bits
 * @param gemm which matrix products were asked for: {@code auto}, {@code vector} or a provider's name
 * @param startFrom the model directory that the run started from, or null for random weights
 * @param recipe the complete recipe, every default written out
 */
public record RunInfo(
        String name,
        String created,
        String status,
        String command,
        long seed,
        String fathom,
        String java,
        String machine,
        String kernels,
        String precision,
        String gemm,
        @Nullable String startFrom,
        Map<String, @Nullable Object> recipe) {
    public RunInfo withStatus(String newStatus) {
        return new RunInfo(
                name, created, newStatus, command, seed, fathom, java, machine, kernels, precision, gemm, startFrom,
                recipe);
    }
}
