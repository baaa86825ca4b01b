package dev.fathom.infer;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** What happens to a request: any number of {@link Tokens}, then one {@link End}. */
public sealed interface GenerationEvent {
    /**
     * New tokens, and the text that became certain with them. Text may come later than its tokens: half a character, half a tag and what might
     * become a stop text are held back.
     *
     * @param thinking to be added to the thinking, often empty; all of it comes before the answer
     * @param answer to be added to the answer, often empty
     * @param tokens sampled since the last event; none if only held text is given out at the end
     */
    record Tokens(String thinking, String answer, List<SampledToken> tokens) implements GenerationEvent {}

    /**
     * The response is complete; nothing follows.
     *
     * @param reason why it ended
     * @param stop the stop text that came, null if it ended otherwise
     * @param thinkingCut whether it ended while thinking, without an answer
     * @param error what went wrong, for {@link FinishReason#ERROR} only
     */
    record End(
            FinishReason reason,
            @Nullable String stop,
            boolean thinkingCut,
            Usage usage,
            @Nullable String error) implements GenerationEvent {}
}
