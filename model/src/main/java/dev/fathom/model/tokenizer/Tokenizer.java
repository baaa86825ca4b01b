package dev.fathom.model.tokenizer;

import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/** Text to token ids and back. Immutable and safe for use by many threads. */
public interface Tokenizer {
    /**
     * Token ids of a text. A special token written out in the text becomes its id; no token is added in front or behind.
     *
     * @throws TokenizerException naming the character and its position if the tokenizer has no token for it
     */
    int[] encode(String text);

    /**
     * The same with the tokens that belong around a whole text, for example one that begins a document; other engines call it
     * adding special tokens. Not for a rendered chat template, which writes them out itself.
     */
    default int[] encodeDocument(String text) {
        return encode(text);
    }

    /**
     * The text of token ids, special tokens written out: {@code decode(encode(text))} is {@code text}.
     *
     * @throws TokenizerException naming an id outside the vocabulary
     */
    default String decode(int[] ids) {
        return decode(ids, 0, ids.length);
    }

    /** The text of a range of token ids, from {@code from} (inclusive) to {@code to} (exclusive). */
    default String decode(int[] ids, int from, int to) {
        StringBuilder text = new StringBuilder();
        StreamingDecoder decoder = streamingDecoder();
        for (int i = from; i < to; i++) {
            text.append(decoder.add(ids[i]));
        }
        return text.append(decoder.finish()).toString();
    }

    /** A decoder for one stream of ids, for showing text while it is generated. */
    StreamingDecoder streamingDecoder();

    /** Number of ids; valid ids are 0 to one less; a few of them may stand for nothing. */
    int vocabularySize();

    /** The token of an id as the vocabulary spells it. */
    String token(int id);

    /**
     * The bytes that a token stands for, not always whole characters; none for an id that stands for nothing. A special token is its
     * text.
     *
     * @throws TokenizerException naming an id outside the vocabulary
     */
    byte[] bytes(int id);

    /** The id of a token as the vocabulary spells it. */
    OptionalInt id(String token);

    /** The special tokens and their roles. */
    SpecialTokens specialTokens();

    /** Id of the token that begins a document, if there is one. */
    default OptionalInt bosId() {
        return roleId(specialTokens().bos());
    }

    /** Id of the token that ends a document or an answer, if there is one. */
    default OptionalInt eosId() {
        return roleId(specialTokens().eos());
    }

    private OptionalInt roleId(@Nullable String token) {
        return token == null ? OptionalInt.empty() : id(token);
    }

    /** Whether an id is a special token. */
    default boolean isSpecial(int id) {
        return specialTokens().find(token(id)).isPresent();
    }

    /** The content of {@code tokenizer.json}. */
    ObjectNode toJson();
}
