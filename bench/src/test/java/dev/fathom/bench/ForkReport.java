package dev.fathom.bench;

import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;
import org.openjdk.jmh.results.BenchmarkResult;
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
    }

    private static String line(RunResult result) {
        // Benchmarks here report time, so the worst fork is the longest.
        List<Double> forks = result.getBenchmarkResults().stream()
                .map(BenchmarkResult::getPrimaryResult)
                .map(primary -> primary.getScore())
                .sorted()
                .toList();
        double median = Timings.median(forks);
        String name = result.getParams().getBenchmark().replaceFirst(".*\\.(?=\\w+\\.\\w+$)", "");
        String parameters = result.getParams().getParamsKeys().stream()
                .map(key -> key + "=" + result.getParams().getParam(key))
                .collect(Collectors.joining(" "));
        return String.format(
                Locale.ROOT,
                "%-90s %12.2f %12.2f %7.2f %s",
                name + " " + parameters,
                median,
                forks.getLast(),
                forks.getLast() / median,
                result.getPrimaryResult().getScoreUnit());
    }
}
