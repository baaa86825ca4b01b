package dev.fathom.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Results as lines for people: the one number first, then how it came about. */
public final class ReportText {
    /** Operations that take less of a step than this are summed up in one line. */
    private static final double SMALLEST_SHARE = 0.005;

    private ReportText() {}

    public static List<String> of(TrainingBenchmark.Result result) {
        List<String> lines = new ArrayList<>();
        lines.add(format(
                "%s: %,.0f tokens/s, %.1f GFLOP/s, %.1f %% of the %s peak",
                result.workload(),
                result.tokensPerSecond(),
                result.gflops(),
                100 * result.peakFraction(),
                result.precision()));
        lines.add(result.kernels());
        lines.add(format(
                "step: median %.1f ms, best %.1f, worst %.1f, of %d; threads busy %.0f %%; memory %,.0f MiB",
                1e3 * result.medianStepSeconds(),
                1e3 * result.bestStepSeconds(),
                1e3 * result.worstStepSeconds(),
                result.stepSeconds().size(),
                100 * result.cpuUtilisation(),
                result.peakMemoryBytes() / 1048576.0));
        lines.add(format("loss %.2f -> %.2f", result.lossFirst(), result.lossLast()));
        lines.add(peak(result.peak()));
        lines.addAll(operations(result.operations()));
        return lines;
    }

    public static List<String> of(InferenceBenchmark.Result result) {
        List<String> lines = new ArrayList<>();
        Double tokensPerSecond = result.tokensPerSecond();
        String prompt = format("%,.1f prompt tokens/s", result.promptTokensPerSecond());
        lines.add(result.model() + ": "
                + (tokensPerSecond == null ? prompt : format("%,.2f tokens/s, %s", tokensPerSecond, prompt)));
        lines.add(format("%s; stored weights: %s", result.kernels(), result.storedWeights()));
        lines.add(format(
                "%s; prompts of %d tokens, %d tokens after the first; medians of %d runs; open %.2f s, first token after %.2f s; memory %,.0f MiB",
                result.architecture(),
                result.promptTokens(),
                result.newTokens(),
                result.promptRunSeconds().size(),
                result.loadSeconds(),
                result.firstTokenSeconds(),
                result.peakMemoryBytes() / 1048576.0));
        lines.add(peak(result.peak()));
        return lines;
    }

    public static List<String> of(StreamsBenchmark.Result result) {
        return List.of(
                format(
                        "%s: %,.1f tokens/s of %d streams together; %,.1f without prompts",
                        result.model(), result.tokensPerSecond(), result.streams(), result.generationTokensPerSecond()),
                format("%s; stored weights: %s", result.kernels(), result.storedWeights()),
                format(
                        "prompts of %d tokens, responses of %d; medians of %d runs",
                        result.promptTokens(),
                        result.newTokens(),
                        result.seconds().size()));
    }

    public static List<String> of(LlamaStreams.Result result) {
        return List.of(
                format(
                        "%s, %d streams: %.2f times llama.cpp (median of %d pairs, worst %.2f)",
                        result.model(),
                        result.streams().streams(),
                        result.ratio(),
                        result.pairs().size(),
                        result.worstRatio()),
                format(
                        "Fathom %,.1f tokens/s, %s; llama.cpp %,.1f tokens/s, %s",
                        result.tokensPerSecond(), result.kernels(), result.llamaTokensPerSecond(), result.llama()),
                format(
                        "prompts of %d tokens, responses of %d, %d threads",
                        result.streams().promptTokens(), result.streams().newTokens(), result.threads()));
    }

    public static List<String> of(RolloutBenchmark.Result result) {
        List<String> lines = new ArrayList<>();
        lines.add(format(
                "%s: %,.0f new tokens/s, %.1f GFLOP/s, %.1f %% of the %s peak",
                result.workload(),
                result.tokensPerSecond(),
                result.gflops(),
                100 * result.peakFraction(),
                result.precision()));
        RolloutBenchmark.VariedLengths varied = result.variedLengths();
        if (varied != null) {
            lines.add(format(
                    "responses of %d to %d tokens: %,.0f tokens/s, %.0f %% of the %,.0f tokens/s when all have their mean length %.0f",
                    varied.shortest(),
                    varied.longest(),
                    varied.tokensPerSecond(),
                    100 * varied.ratio(),
                    varied.equalTokensPerSecond(),
                    varied.meanLength()));
        }
        lines.add(result.kernels());
        lines.add(format(
                "run: median %.2f s, best %.2f, worst %.2f, of %d; %.2f ms a step of %d tokens; threads busy %.0f %%; memory %,.0f MiB",
                result.medianRunSeconds(),
                result.bestRunSeconds(),
                result.worstRunSeconds(),
                result.runSeconds().size(),
                1e3 * result.stepSeconds(),
                result.slots(),
                100 * result.cpuUtilisation(),
                result.peakMemoryBytes() / 1048576.0));
        lines.add(peak(result.peak()));
        lines.addAll(operations(result.operations()));
        return lines;
    }

    public static List<String> of(OperationBenchmark.Result result) {
        List<String> lines = new ArrayList<>();
        if (result.tokensPerSecond() > 0) {
            lines.add(format(
                    "%s: a training step made of these operations alone would do %,.0f tokens/s, %.1f GFLOP/s, %.1f %% of the peak",
                    result.workload(), result.tokensPerSecond(), result.gflops(), 100 * result.peakFraction()));
        }
        lines.add(result.kernels());
        lines.add(peak(result.peak()));
        lines.add(format(
                "median of %d %s",
                result.forks(), result.forks() == 1 ? "fork (--forks 5 shows the worst of five)" : "forks"));
        lines.add("");
        lines.add(format(
                "%-36s %5s %11s %11s %9s %8s %8s %9s",
                "operation", "calls", "us", "worst fork", "GFLOP/s", "peak", "GB/s", "roofline"));
        for (OperationBenchmark.Measured operation : result.operations()) {
            boolean multiplies = operation.gflops() > 0;
            lines.add(format(
                    "%-36s %5d %11.1f %11.1f %9s %8s %8.1f %7.0f %%",
                    operation.name(),
                    operation.calls(),
                    1e6 * operation.seconds(),
                    1e6 * operation.worstForkSeconds(),
                    multiplies ? format("%.1f", operation.gflops()) : "",
                    multiplies ? format("%.1f %%", 100 * operation.peakFraction()) : "",
                    operation.gigabytesPerSecond(),
                    100 * operation.rooflineFraction()));
        }
        return lines;
    }

    public static List<String> of(Comparison.Result result) {
        List<String> lines = new ArrayList<>();
        lines.add(format(
                "%s: Fathom is %.2f times as fast as PyTorch %s (%s): median of %d pairs, worst %.2f",
                result.workload(),
                result.ratio(),
                result.torch(),
                result.variant(),
                result.pairs().size(),
                result.worstRatio()));
        lines.add(format(
                "Fathom %,.0f tokens/s, PyTorch %,.0f tokens/s, %d threads; %s",
                result.tokensPerSecond(), result.torchTokensPerSecond(), result.threads(), result.kernels()));
        return lines;
    }

    public static List<String> of(ModelComparison.Result result) {
        List<String> lines = new ArrayList<>();
        lines.add(format(
                "%s: Fathom writes %.2f and reads %.2f times as fast as llama.cpp: medians of %d pairs",
                result.model(),
                result.ratio(),
                result.promptRatio(),
                result.pairs().size()));
        lines.add(format(
                "prompt of %d tokens, then %d: Fathom %s, llama.cpp %s",
                result.promptTokens(), result.newTokens(), of(result.fathom()), of(result.llama())));
        lines.add(format(
                "%s; stored weights: %s, %d threads", result.kernels(), result.storedWeights(), result.threads()));
        lines.add(result.peer());
        return lines;
    }

    static String of(ModelComparison.Pair pair) {
        return format(
                "Fathom %s, llama.cpp %s; ratios %.2f new, %.2f prompt, %.2f first token; memory read at %.1f GB/s",
                of(pair.fathom()),
                of(pair.llama()),
                pair.ratio(),
                pair.promptRatio(),
                pair.firstTokenRatio(),
                pair.readGigabytesPerSecond());
    }

    private static String of(ModelComparison.Speed speed) {
        return format(
                "%.2f tokens/s, prompt %.1f, first token after %.2f s",
                speed.tokensPerSecond(), speed.promptTokensPerSecond(), speed.firstTokenSeconds());
    }

    public static List<String> of(TextBenchmark.Result result) {
        List<String> lines = new ArrayList<>();
        lines.add(format(
                "%s, %s: validation loss %.4f nats per character after %,d steps in %.1f s (%.1f s with validation)",
                result.model(),
                result.optimizer(),
                result.validationLoss(),
                result.steps(),
                result.trainingSeconds(),
                result.totalSeconds()));
        lines.add(format(
                "%,.0f tokens/s, %.1f GFLOP/s, %.2f MFLOP per token, %,d parameters, %d characters, memory %,.0f MiB",
                result.tokensPerSecond(),
                result.gflops(),
                1e-6 * result.flopPerToken(),
                result.parameters(),
                result.vocabulary(),
                result.peakMemoryBytes() / 1048576.0));
        lines.add(result.kernels());
        return lines;
    }

    private static String peak(MachinePeak peak) {
        return format(
                "machine: %.0f GFLOP/s f32, %.0f bf16 (%s), reads %.1f GB/s",
                peak.f32Gflops(), peak.bf16Gflops(), peak.bf16Source(), peak.readGigabytesPerSecond());
    }

    private static List<String> operations(List<OperationProfile.Share> shares) {
        List<String> lines = new ArrayList<>();
        lines.add("");
        lines.add(format(
                "%-34s %7s %7s %9s %9s %8s %9s", "operation", "share", "calls", "ms", "GFLOP/s", "GB/s", "roofline"));
        double rest = 0;
        for (OperationProfile.Share share : shares) {
            if (share.share() < SMALLEST_SHARE) {
                rest += share.share();
                continue;
            }
            lines.add(format(
                    "%-34s %5.1f %% %7d %9.2f %9s %8.1f %7.0f %%",
                    share.name(),
                    100 * share.share(),
                    share.calls(),
                    1e3 * share.seconds(),
                    share.flops() > 0 ? format("%.1f", share.gflops()) : "",
                    share.gigabytesPerSecond(),
                    100 * share.rooflineFraction()));
        }
        lines.add(format("%-34s %5.1f %%", "(the rest)", 100 * rest));
        return lines;
    }

    static String format(String pattern, Object... values) {
        return String.format(Locale.ROOT, pattern, values);
    }
}
