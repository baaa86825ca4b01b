package dev.fathom.serve;

import dev.fathom.infer.GenerationEvent;
import dev.fathom.infer.SampledToken;
import dev.fathom.infer.tools.ToolCallParser;
import dev.fathom.infer.tools.ToolFormat;
import dev.fathom.model.chat.ToolCall;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** One answer of a chat while it is made: what the engine tells, with calls apart from text. */
final class ChatAnswer {
    private final @Nullable ToolCallParser calls;
    private int callCount;

    /** @param format how calls are written, null if there are no tools */
    ChatAnswer(@Nullable ToolFormat format) {
        this.calls = format == null ? null : new ToolCallParser(format);
    }

    /** What is new. @param firstCall the number of the first call among those of the answer */
    record Piece(String thinking, String text, List<ToolCall> calls, int firstCall, List<SampledToken> tokens) {
        boolean isEmpty() {
            return thinking.isEmpty() && text.isEmpty() && calls.isEmpty() && tokens.isEmpty();
        }
    }

    Piece add(GenerationEvent.Tokens event) {
        return piece(
                event.thinking(), calls == null ? null : calls.add(event.answer()), event.answer(), event.tokens());
    }

    /** What was held back. */
    Piece finish() {
        return piece("", calls == null ? null : calls.finish(), "", List.of());
    }

    private Piece piece(
            String thinking, ToolCallParser.@Nullable Piece parsed, String answer, List<SampledToken> tokens) {
        int first = callCount;
        if (parsed == null) {
            return new Piece(thinking, answer, List.of(), first, tokens);
        }
        callCount += parsed.calls().size();
        return new Piece(thinking, parsed.text(), parsed.calls(), first, tokens);
    }

    /** Why the answer ended, as clients read it. */
    String finishReason(GenerationEvent.End end) {
        return switch (end.reason()) {
            case STOP -> callCount > 0 ? "tool_calls" : "stop";
            case LENGTH -> "length";
            case CANCELLED, ERROR -> "error";
        };
    }

    /** Everything of one answer, for those who want it whole. */
    static final class Whole {
        final StringBuilder thinking = new StringBuilder();
        final StringBuilder text = new StringBuilder();
        final List<ToolCall> calls = new ArrayList<>();
        final List<SampledToken> tokens = new ArrayList<>();

        void add(Piece piece) {
            thinking.append(piece.thinking);
            text.append(piece.text);
            calls.addAll(piece.calls);
            tokens.addAll(piece.tokens);
        }
    }
}
