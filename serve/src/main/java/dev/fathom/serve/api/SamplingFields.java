package dev.fathom.serve.api;

import dev.fathom.infer.Sampling;
import java.util.List;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;

/** The fields that say how to sample, the same in chat and plain completions. */
final class SamplingFields {
    /** DeepSeek's limit; OpenAI has 4. */
    private static final int MOST_STOPS = 16;

    static final Set<String> NAMES = Set.of(
            "temperature",
            "top_p",
            "top_k",
            "min_p",
            "repetition_penalty",
            "presence_penalty",
            "frequency_penalty",
            "seed",
            "stop",
            "max_tokens");

    /**
     * Fields that OpenAI's clients send and that cannot change an answer here: who asks, what for, and what is to become of the answer
     * elsewhere.
     */
    static final Set<String> WITHOUT_EFFECT = Set.of(
            "user",
            "user_id",
            "metadata",
            "store",
            "service_tier",
            "safety_identifier",
            "prompt_cache_key",
            "prompt_cache_retention");

    private SamplingFields() {}

    /** @param defaults of the model, for the fields that are missing */
    static Sampling read(Fields fields, Sampling defaults) {
        Sampling sampling = defaults;
        OptionalDouble temperature = fields.number("temperature", 0, 2);
        if (temperature.isPresent()) {
            sampling = sampling.withTemperature(temperature.getAsDouble());
        }
        OptionalDouble topP = fields.number("top_p", 0, 1);
        if (topP.isPresent()) {
            // 0 keeps the most probable token alone; so does any number that is as good as 0.
            sampling = sampling.withTopP(Math.max(topP.getAsDouble(), Double.MIN_NORMAL));
        }
        OptionalInt topK = fields.smallInteger("top_k", 0, Integer.MAX_VALUE);
        if (topK.isPresent()) {
            sampling = sampling.withTopK(topK.getAsInt());
        }
        OptionalDouble minP = fields.number("min_p", 0, 1);
        if (minP.isPresent()) {
            sampling = sampling.withMinP(minP.getAsDouble());
        }
        OptionalDouble repetition = fields.number("repetition_penalty", 0.01, 100);
        if (repetition.isPresent()) {
            sampling = sampling.withRepetitionPenalty(repetition.getAsDouble());
        }
        OptionalDouble presence = fields.number("presence_penalty", -2, 2);
        if (presence.isPresent()) {
            sampling = sampling.withPresencePenalty(presence.getAsDouble());
        }
        OptionalDouble frequency = fields.number("frequency_penalty", -2, 2);
        if (frequency.isPresent()) {
            sampling = sampling.withFrequencyPenalty(frequency.getAsDouble());
        }
        OptionalLong seed = fields.integer("seed", Long.MIN_VALUE, Long.MAX_VALUE);
        if (seed.isPresent()) {
            sampling = sampling.withSeed(seed.getAsLong());
        }
        OptionalInt most = fields.smallInteger("max_tokens", 1, Integer.MAX_VALUE);
        if (most.isPresent()) {
            sampling = sampling.withMaxTokens(most.getAsInt());
        }
        List<String> stop = fields.strings("stop", MOST_STOPS);
        if (stop.contains("")) {
            throw ApiException.invalid(fields.path("stop"), "stop: found an empty text");
        }
        return stop.isEmpty() ? sampling : sampling.withStop(stop);
    }
}
