package dev.fathom.bench;

import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;
import org.openjdk.jmh.results.BenchmarkResult;
import org.openjdk.jmh.results.IterationResult;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.options.CommandLineOptions;

/**
 * JMH with a last table: of every benchmark the median fork and the worst one. A mean over forks hides the one in which the compiler left a
 * vector on the heap.
 */
public final class ForkReport {
    private static final Set<String> QUESTIONS = Set.of("-h", "-l", "-lp", "-lrf", "-lprof");

    private ForkReport() {}

    public static void main(String[] args) throws Exception {
        if (Arrays.stream(args).anyMatch(QUESTIONS::contains)) {
            org.openjdk.jmh.Main.main(args);
            return;
        }
        Collection<RunResult> results = new Runner(new CommandLineOptions(args)).run();
        if (results.isEmpty()) {
            System.exit(1); // JMH has said why
        }
        System.out.printf("%n%-90s %12s %12s %7s%n", "benchmark", "median fork", "worst fork", "ratio");
        results.forEach(result -> System.out.println(line(result)));
        results.forEach(result -> {
            List<List<Double>> forks = ratios(result);
            if (!forks.getFirst().isEmpty()) {
                System.out.println("\n" + name(result) + ": measured / baseline, pair by pair\n" + text(forks));
            }
        });
    }

    /** For each fork the ratios of its {@link Turns}, if it has any. */
    private static List<List<Double>> ratios(RunResult result) {
        return result.getBenchmarkResults().stream()
                .map(fork -> fork.getIterationResults().stream()
                        .map(IterationResult::getSecondaryResults)
                        .filter(counters -> counters.containsKey("measured") && counters.containsKey("baseline"))
                        .map(counters -> counters.get("measured").getScore()
                                / counters.get("baseline").getScore())
                        .toList())
                .toList();
    }

    /** The median over all forks, how far the middle half and all of the ratios spread, and the median of each fork. */
    static String text(List<List<Double>> forks) {
        List<Double> all = forks.stream().flatMap(List::stream).sorted().toList();
        String medians = forks.stream()
                .map(fork -> String.format(Locale.ROOT, "%.3f", Timings.median(fork)))
                .collect(Collectors.joining(", "));
        return String.format(
                Locale.ROOT,
                "median %.3f of %d pairs; middle half %.3f to %.3f, all %.3f to %.3f; medians of the forks %s",
                Timings.median(all),
                all.size(),
                all.get(all.size() / 4),
                all.get(all.size() - 1 - all.size() / 4),
                all.getFirst(),
                all.getLast(),
                medians);
    }

    private static String line(RunResult result) {
        // Benchmarks here report time, so the worst fork is the longest.
        List<Double> forks = result.getBenchmarkResults().stream()
                .map(BenchmarkResult::getPrimaryResult)
                .map(primary -> primary.getScore())
                .sorted()
                .toList();
        double median = Timings.median(forks);
        return String.format(
                Locale.ROOT,
                "%-90s %12.2f %12.2f %7.2f %s",
                name(result),
                median,
                forks.getLast(),
                forks.getLast() / median,
                result.getPrimaryResult().getScoreUnit());
    }

    /** Class, method and parameters. */
    private static String name(RunResult result) {
        String name = result.getParams().getBenchmark().replaceFirst(".*\\.(?=\\w+\\.\\w+$)", "");
        return result.getParams().getParamsKeys().stream()
                .map(key -> " " + key + "=" + result.getParams().getParam(key))
                .collect(Collectors.joining("", name, ""));
    }
}
