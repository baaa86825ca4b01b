package dev.fathom.serve.api;

import java.util.List;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/**
 * Whether and how long the model may think.
 *
 * @param enabled null for what is usual with the model
 * @param budget tokens after which thinking is closed, null for no limit
 */
public record Thinking(@Nullable Boolean enabled, @Nullable Integer budget) {
    /** {@code low} may think for this part of the context. */
    private static final int LOW = 16;

    /** {@code high} may think for this part of the context. */
    private static final int HIGH = 2;

    private static final List<String> EFFORTS =
            List.of("none", "minimal", "low", "medium", "high", "xhigh", "max", "ultra");

    /** Reads {@code thinking} and {@code reasoning_effort}. */
    static Thinking read(Fields request, int contextLength) {
        Boolean enabled = null;
        Integer budget = null;
        Fields thinking = request.object("thinking").orElse(null);
        if (thinking != null) {
            String type = thinking.word("type", List.of("enabled", "disabled"))
                    .orElseThrow(() -> ApiException.missing(thinking.path("type")));
            enabled = type.equals("enabled");
            OptionalInt tokens = thinking.smallInteger("budget_tokens", 0, Integer.MAX_VALUE);
            budget = tokens.isPresent() ? tokens.getAsInt() : null;
        }
        String effort = request.word("reasoning_effort", EFFORTS).orElse(null);
        if (effort != null && budget == null) {
            switch (effort) {
                case "none" -> enabled = enabled == null ? Boolean.FALSE : enabled;
                // DeepSeek has three levels and maps OpenAI's to them.
                case "minimal", "low" -> budget = Math.max(1, contextLength / LOW);
                case "medium", "high", "xhigh" -> budget = Math.max(1, contextLength / HIGH);
                default -> {}
            }
        }
        return new Thinking(enabled, budget);
    }

    /** Whether there is to be no thinking. */
    public boolean disabled() {
        return Boolean.FALSE.equals(enabled);
    }
}
