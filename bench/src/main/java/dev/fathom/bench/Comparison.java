package dev.fathom.bench;

import dev.fathom.bench.TorchPeer.Variant;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** Fathom and PyTorch in turns on a workload. Before their runs are timed, both warm up for as long as they do by themselves. */
public final class Comparison {
    private static final Set<String> WORKLOADS = Set.of("w1", "w2", "w3");

    private final Options options;
    private final Consumer<String> progress;

    private Comparison(Options options, Consumer<String> progress) {
        this.options = options;
        this.progress = progress;
    }

    /**
     * How it is compared.
     *
     * @param steps of a run that are timed
     * @param python a Python with torch, or null for {@code python3}
     * @param script the peer
     * @param variant the way to run PyTorch, or null for the best one of a first round
     */
    public record Options(
            String workload,
            Contest contest,
            int steps,
            @Nullable String python,
            Path script,
            @Nullable String variant) {
        public Options {
            if (!WORKLOADS.contains(workload)) {
                throw new IllegalArgumentException(
                        "the peer has the workloads w1, w2 and w3, not \"" + workload + "\"");
            }
            if (steps < 1) {
                throw new IllegalArgumentException("needs steps >= 1, are " + steps);
            }
        }

        boolean rollout() {
            return workload.equals("w3");
        }
    }

    /** Two neighbouring runs, in tokens per second. */
    public record Pair(double fathom, double torch, double ratio) {}

    /** A way to run PyTorch in the first round; 0 tokens per second and a reason where it does not work. */
    public record Tried(String variant, double tokensPerSecond, String failure) {}

    /**
     * What came out.
     *
     * @param variant of PyTorch that was compared with
     * @param tried every variant once, to find it; empty if it was named
     * @param ratio median over the pairs
     */
    public record Result(
            String workload,
            double ratio,
            double worstRatio,
            double tokensPerSecond,
            double torchTokensPerSecond,
            String kernels,
            String torch,
            String variant,
            int threads,
            List<Tried> tried,
            List<Pair> pairs) {}

    /**
     * Compares.
     *
     * @param progress hears a line for every run
     * @throws BenchException if there is no Python with torch, no script, or nothing of it works
     */
    public static Result run(Options options, Consumer<String> progress) {
        Variant named = options.variant == null ? null : Variant.of(options.variant);
        TorchPeer peer = TorchPeer.find(options.python, options.script, options.contest.timeoutSeconds());
        return new Comparison(options, progress).run(peer, named);
    }

    private Result run(TorchPeer peer, @Nullable Variant named) {
        Contest contest = options.contest;
        List<Tried> tried = named == null ? tryAll(peer) : List.of();
        Variant variant = named == null ? best(tried) : named;
        List<Pair> pairs = new ArrayList<>();
        String kernels = "";
        for (int i = 1; i <= contest.pairs(); i++) {
            JsonNode fathom = contest.fathom(
                    options.rollout() ? "rollout" : "train",
                    "--workload",
                    options.workload,
                    options.rollout() ? "--runs" : "--steps",
                    options.steps);
            kernels = fathom.path("kernels").asString();
            double ours = fathom.path("tokensPerSecond").asDouble();
            double theirs = peer.tokensPerSecond(options.workload, variant, contest.threads(), options.steps);
            pairs.add(new Pair(ours, theirs, ours / theirs));
            progress.accept(ReportText.format(
                    "pair %d of %d: Fathom %,.0f tokens/s, PyTorch %s %,.0f tokens/s, ratio %.2f",
                    i, contest.pairs(), ours, variant.key(), theirs, ours / theirs));
        }
        return new Result(
                options.workload,
                Timings.median(pairs.stream().map(Pair::ratio).toList()),
                pairs.stream().mapToDouble(Pair::ratio).min().orElseThrow(),
                Timings.median(pairs.stream().map(Pair::fathom).toList()),
                Timings.median(pairs.stream().map(Pair::torch).toList()),
                kernels,
                peer.version(),
                variant.key(),
                contest.threads(),
                tried,
                pairs);
    }

    private List<Tried> tryAll(TorchPeer peer) {
        List<Tried> tried = new ArrayList<>();
        for (Variant variant : Variant.of(options.rollout())) {
            try {
                double rate = peer.tokensPerSecond(options.workload, variant, options.contest.threads(), options.steps);
                tried.add(new Tried(variant.key(), rate, ""));
                progress.accept(ReportText.format("PyTorch %s: %,.0f tokens/s", variant.key(), rate));
            } catch (BenchException e) {
                tried.add(new Tried(variant.key(), 0, String.valueOf(e.getMessage())));
                progress.accept("PyTorch " + variant.key() + " does not work here: " + e.getMessage());
            }
        }
        return tried;
    }

    private static Variant best(List<Tried> tried) {
        Tried best = tried.getFirst();
        for (Tried other : tried) {
            best = other.tokensPerSecond > best.tokensPerSecond ? other : best;
        }
        if (best.tokensPerSecond == 0) {
            throw new BenchException("no variant of PyTorch works here; the first: " + best.failure);
        }
        return Variant.of(best.variant);
    }
}
