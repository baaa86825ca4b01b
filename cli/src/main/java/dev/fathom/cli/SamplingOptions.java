package dev.fathom.cli;

import dev.fathom.infer.Sampling;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Option;

/** The options of every command that samples; what is not given is as the model's makers recommend. */
final class SamplingOptions {
    @Option(
            names = "--temperature",
            paramLabel = "T",
            description = "0 takes the most probable token each time, 1 is the model's own distribution."
                    + " Default, here and below: what the model's generation_config.json says, else 1.")
    private @Nullable Double temperature;

    @Option(names = "--top-k", paramLabel = "K", description = "Only the K most probable tokens; 0 for all.")
    private @Nullable Integer topK;

    @Option(
            names = "--top-p",
            paramLabel = "P",
            description = "Only the most probable tokens that together reach probability P.")
    private @Nullable Double topP;

    @Option(
            names = "--min-p",
            paramLabel = "P",
            description = "Only tokens at least P times as probable as the most probable one.")
    private @Nullable Double minP;

    @Option(
            names = "--repetition-penalty",
            paramLabel = "X",
            description = "Divides the logits of tokens that are in prompt or response; 1 for none.")
    private @Nullable Double repetitionPenalty;

    @Option(
            names = "--presence-penalty",
            paramLabel = "X",
            description = "Subtracted from the logits of tokens that are in the response. Default: 0.")
    private @Nullable Double presencePenalty;

    @Option(
            names = "--frequency-penalty",
            paramLabel = "X",
            description = "Subtracted from a token's logit as often as the response has it. Default: 0.")
    private @Nullable Double frequencyPenalty;

    @Option(
            names = "--seed",
            paramLabel = "N",
            description = "Seed of sampling: the same seed, the same response. Default: ${DEFAULT-VALUE}.",
            defaultValue = "1")
    private long seed;

    @Option(
            names = "--max-tokens",
            paramLabel = "N",
            description = "Longest response. Default: as long as the model can hold.")
    private @Nullable Integer maxTokens;

    @Option(
            names = "--stop",
            paramLabel = "TEXT",
            description = "A text that ends the answer and is not shown; may be given several times.")
    private @Nullable List<String> stop;

    @Option(
            names = "--thinking-budget",
            paramLabel = "N",
            description = "Tokens after which the model has to stop thinking and answer. Default: no limit.")
    private @Nullable Integer thinkingBudget;

    /** The model's settings, changed as asked. */
    Sampling applyTo(Sampling defaults) {
        try {
            Sampling sampling = defaults.withSeed(seed);
            sampling = temperature == null ? sampling : sampling.withTemperature(temperature);
            sampling = topK == null ? sampling : sampling.withTopK(topK);
            sampling = topP == null ? sampling : sampling.withTopP(topP);
            sampling = minP == null ? sampling : sampling.withMinP(minP);
            sampling = repetitionPenalty == null ? sampling : sampling.withRepetitionPenalty(repetitionPenalty);
            sampling = presencePenalty == null ? sampling : sampling.withPresencePenalty(presencePenalty);
            sampling = frequencyPenalty == null ? sampling : sampling.withFrequencyPenalty(frequencyPenalty);
            sampling = maxTokens == null ? sampling : sampling.withMaxTokens(maxTokens);
            sampling = stop == null ? sampling : sampling.withStop(stop);
            return thinkingBudget == null ? sampling : sampling.withThinkingBudget(thinkingBudget);
        } catch (IllegalArgumentException e) {
            throw new CommandException(ExitCode.USAGE, "--" + optionName(String.valueOf(e.getMessage())), e);
        }
    }

    /** Settings are called as their options are, in Java's spelling: {@code topP: …} is about {@code --top-p}. */
    private static String optionName(String message) {
        int end = message.indexOf(':');
        StringBuilder name = new StringBuilder();
        for (char letter : message.substring(0, end).toCharArray()) {
            name.append(Character.isUpperCase(letter) ? "-" + Character.toLowerCase(letter) : letter);
        }
        return name + message.substring(end);
    }
}
