package dev.fathom.serve;

import dev.fathom.serve.api.ApiException;
import java.util.List;

/**
 * How a model is asked to fill a gap.
 *
 * @param before stands before the text that precedes the gap
 * @param gap stands before the text that follows it
 * @param after stands behind that; the model goes on with what belongs into the gap
 */
record FillInTheMiddle(String before, String gap, String after) {
    private static final List<FillInTheMiddle> KNOWN = List.of(
            // DeepSeek-Coder, V2 and V3.
            new FillInTheMiddle("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),
            // Qwen2.5-Coder.
            new FillInTheMiddle("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"));

    /** @throws ApiException if the model's vocabulary has no tokens for it */
    static FillInTheMiddle of(ServedModel model) {
        return KNOWN.stream()
                .filter(each -> model.has(each.before) && model.has(each.gap) && model.has(each.after))
                .findFirst()
                .orElseThrow(() -> ApiException.invalid(
                        "suffix", "suffix: the model \"" + model.name() + "\" was not taught to fill gaps"));
    }

    String prompt(String prefix, String suffix) {
        return before + prefix + gap + suffix + after;
    }
}
