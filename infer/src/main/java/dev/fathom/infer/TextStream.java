package dev.fathom.infer;

import dev.fathom.model.tokenizer.StreamingDecoder;
import dev.fathom.model.tokenizer.Tokenizer;
import java.util.BitSet;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** From the tokens of one response to its text: whole characters, thinking apart from answer, nothing of a tag or of a stop text. */
final class TextStream {
    /** What became certain. */
    record Text(String thinking, String answer) {}

    private final StreamingDecoder decoder;
    private final BitSet hidden;
    private final @Nullable ReasoningParser parser;
    private final @Nullable AnswerTags tags;
    private final StopTexts stops;

    /** @param hidden {@link TokenRoles#hidden} */
    TextStream(Tokenizer tokenizer, BitSet hidden, ReasoningFormat format, List<String> stops) {
        this.decoder = tokenizer.streamingDecoder();
        this.hidden = hidden;
        this.parser = format == ReasoningFormat.NONE ? null : new ReasoningParser(format == ReasoningFormat.OPEN);
        this.tags = format == ReasoningFormat.ANSWER_TAGS ? new AnswerTags() : null;
        this.stops = new StopTexts(stops);
    }

    /** Takes the next token. */
    Text add(int id) {
        return hidden.get(id) ? new Text("", "") : read(decoder.add(id));
    }

    /** The response has ended; what was held back is what it looks like. */
    Text finish() {
        Text text = read(decoder.finish());
        if (parser == null) {
            return new Text("", text.answer + stops.finish());
        }
        ReasoningParser.Piece rest = parser.finish();
        String answer = tags == null ? rest.answer() : tags.add(rest.answer()) + tags.finish();
        return new Text(text.thinking + rest.thinking(), text.answer + stops.add(answer) + stops.finish());
    }

    private Text read(String decoded) {
        if (parser == null) {
            return new Text("", stops.add(decoded));
        }
        ReasoningParser.Piece piece = parser.add(decoded);
        String answer = tags == null ? piece.answer() : tags.add(piece.answer());
        return new Text(piece.thinking(), stops.add(answer));
    }

    /** Whether the next token continues a thought. */
    boolean isThinking() {
        return parser != null && parser.isThinking();
    }

    /** The stop text that came, null while none did. */
    @Nullable
    String stop() {
        return stops.found();
    }
}
