package dev.fathom.bench;

import dev.fathom.engine.Engine;
import dev.fathom.engine.Philox;
import dev.fathom.engine.Precision;
import dev.fathom.infer.GenerationRequest;
import dev.fathom.infer.Generator;
import dev.fathom.infer.TokenListener;
import dev.fathom.model.LanguageModel;
import dev.fathom.model.TrainableModel;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/** Sampling many responses at once, as reinforcement learning does. */
public final class RolloutBenchmark {
    private static final int PROFILED_RUNS = 1;

    /** No token has this number, so that every response has the length it may have. */
    private static final int NO_END = -1;

    private static final long SEED = 3;

    /** Philox streams of the prompts and of the response lengths ("prom", "leng"). */
    private static final int PROMPTS = 0x70726f6d;

    private static final int LENGTHS = 0x6c656e67;

    private RolloutBenchmark() {}

    /** Response lengths, each equally likely, both ends included. */
    public record Lengths(int shortest, int longest) {
        public Lengths {
            if (shortest < 1 || longest < shortest) {
                throw new IllegalArgumentException(
                        "response lengths must be 1 <= shortest <= longest, are " + shortest + "-" + longest);
            }
        }

        int draw(int request) {
            return shortest + (int) (Philox.uniform(SEED, LENGTHS, request, 0) * (longest - shortest + 1));
        }
    }

    /**
     * How it is measured.
     *
     * @param warmup runs before it is timed
     * @param runs that are timed
     * @param lengths of responses, drawn at random; null for the workload's one length
     * @param requestsPerSlot with random lengths: requests for each slot, so that slots are refilled when a response ends
     */
    public record Options(int warmup, int runs, @Nullable Lengths lengths, int requestsPerSlot) {
        public Options {
            if (warmup < 0 || runs < 1 || requestsPerSlot < 1) {
                throw new IllegalArgumentException("needs warmup >= 0, runs >= 1, requests per slot >= 1; are " + warmup
                        + ", " + runs + ", " + requestsPerSlot);
            }
        }
    }

    /**
     * Throughput where lengths vary, beside the same amount of work in equal lengths.
     *
     * @param meanLength of the responses drawn
     * @param tokensPerSecond new tokens, the drain at the end included, when the queue is empty and slots stay free
     * @param equalTokensPerSecond of as many responses that all have the mean length
     * @param ratio of the two
     */
    public record VariedLengths(
            int shortest,
            int longest,
            double meanLength,
            int requests,
            double tokensPerSecond,
            double equalTokensPerSecond,
            double ratio) {}

    /**
     * What came out. Names are those of the JSON.
     *
     * @param tokensPerSecond new tokens over the median run, the time for the prompts included
     * @param gflops 10^9 FLOP per second, counting the new tokens' forward passes and nothing for the prompts, as the peer does
     * @param stepSeconds the median run over its steps, of which there is one per new token of a sequence
     * @param variedLengths if asked for
     */
    public record Result(
            String workload,
            double tokensPerSecond,
            double gflops,
            double peakFraction,
            String kernels,
            String precision,
            int threads,
            long peakMemoryBytes,
            int slots,
            double flopPerToken,
            List<Double> runSeconds,
            double medianRunSeconds,
            double bestRunSeconds,
            double worstRunSeconds,
            double stepSeconds,
            double cpuUtilisation,
            @Nullable VariedLengths variedLengths,
            MachinePeak peak,
            List<OperationProfile.Share> operations) {}

    /** Runs it. */
    public static Result run(Workload workload, Engine engine, Options options) {
        TrainableModel model = workload.model().create(engine, 1);
        int slots = workload.sequences();
        List<GenerationRequest> requests = requests(workload, slots, workload.responseLength());
        Generator generator = generator(model, slots, requests);
        for (int run = 0; run < options.warmup; run++) {
            generate(generator, requests);
        }
        Timings timings = Timings.of(options.runs, run -> generate(generator, requests));
        VariedLengths varied = options.lengths == null
                ? null
                : varied(workload, model, options.lengths, options.requestsPerSlot * slots, options.warmup > 0);
        OptionalLong memory = ProcessMemory.peakResidentBytes();
        MachinePeak peak = MachinePeak.measure(engine);
        Precision precision = engine.gemm().precision();
        double tokensPerSecond = newTokens(requests) / timings.median();
        double gflops = tokensPerSecond * workload.model().samplingFlopPerToken() * 1e-9;
        return new Result(
                workload.name(),
                tokensPerSecond,
                gflops,
                gflops / peak.gflops(precision),
                engine.describe(),
                precision.name().toLowerCase(Locale.ROOT),
                engine.pool().threads(),
                memory.orElse(4 * model.parameters().values().size()),
                slots,
                workload.model().samplingFlopPerToken(),
                timings.seconds(),
                timings.median(),
                timings.best(),
                timings.worst(),
                timings.median() / workload.responseLength(),
                timings.cpuSeconds() / (timings.total() * engine.pool().threads()),
                varied,
                peak,
                profile(workload, engine, requests, peak));
    }

    private static VariedLengths varied(
            Workload workload, LanguageModel model, Lengths lengths, int count, boolean warm) {
        List<GenerationRequest> varied = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            varied.add(request(workload, i, lengths.draw(i)));
        }
        double mean = newTokens(varied) / (double) count;
        List<GenerationRequest> equal = requests(workload, count, Math.toIntExact(Math.round(mean)));
        Generator generator = generator(model, workload.sequences(), varied);
        if (warm) {
            generate(generator, varied.subList(0, Math.min(count, workload.sequences())));
        }
        double variedRate = newTokens(varied)
                / Timings.of(1, run -> generate(generator, varied)).median();
        double equalRate = newTokens(equal)
                / Timings.of(1, run -> generate(generator, equal)).median();
        return new VariedLengths(
                lengths.shortest, lengths.longest, mean, count, variedRate, equalRate, variedRate / equalRate);
    }

    private static Generator generator(LanguageModel model, int slots, List<GenerationRequest> requests) {
        int longest = requests.stream()
                .mapToInt(request -> request.prompt().length + request.maxTokens())
                .max()
                .orElseThrow();
        return new Generator(model, slots, longest);
    }

    private static List<GenerationRequest> requests(Workload workload, int count, int responseLength) {
        List<GenerationRequest> requests = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            requests.add(request(workload, i, responseLength));
        }
        return requests;
    }

    private static GenerationRequest request(Workload workload, int id, int responseLength) {
        int[] prompt = new int[workload.length()];
        for (int t = 0; t < prompt.length; t++) {
            prompt[t] = (int)
                    (Philox.uniform(SEED, PROMPTS, id, t) * workload.model().vocabSize());
        }
        return new GenerationRequest(id, prompt, responseLength, 1);
    }

    /** A whole rollout of the workload, once. */
    static void generateOnce(Workload workload, Engine engine) {
        LanguageModel model = workload.model().create(engine, 1);
        List<GenerationRequest> requests = requests(workload, workload.sequences(), workload.responseLength());
        generate(generator(model, workload.sequences(), requests), requests);
    }

    private static void generate(Generator generator, List<GenerationRequest> requests) {
        generator.generate(requests, SEED, NO_END, false, TokenListener.NONE);
    }

    private static long newTokens(List<GenerationRequest> requests) {
        return requests.stream().mapToLong(GenerationRequest::maxTokens).sum();
    }

    private static List<OperationProfile.Share> profile(
            Workload workload, Engine engine, List<GenerationRequest> requests, MachinePeak peak) {
        OperationProfile profile = new OperationProfile(peak);
        LanguageModel model = workload.model().create(profile.watch(engine), 1);
        Generator generator = generator(model, workload.sequences(), requests);
        generate(generator, requests); // the workspace grows
        for (int run = 0; run < PROFILED_RUNS; run++) {
            profile.step(() -> {
                generate(generator, requests);
                return null;
            });
        }
        return profile.shares();
    }
}
