package dev.fathom.infer;

import dev.fathom.model.tokenizer.CharacterTokenizer;
import dev.fathom.model.tokenizer.Tokenizer;

/**
 * What a model is to continue.
 *
 * @param tokens at least one
 * @param format where in the response thinking ends and the answer begins
 */
public record Prompt(int[] tokens, ReasoningFormat format) {
    /**
     * A text to be continued, with the tokens that belong around one; none of the response is a thought.
     *
     * @throws dev.fathom.model.tokenizer.TokenizerException if the tokenizer has no token for a character
     * @throws IllegalArgumentException if the text is empty and the vocabulary has no token that begins one
     */
    public static Prompt ofText(Tokenizer tokenizer, String text) {
        return new Prompt(document(tokenizer, text), ReasoningFormat.NONE);
    }

    /** A tokenizer of characters leaves it to others to begin a document, and an empty one is nothing but its beginning. */
    static int[] document(Tokenizer tokenizer, String text) {
        int[] ids = tokenizer.encodeDocument(text);
        if (tokenizer.bosId().isEmpty() || !(tokenizer instanceof CharacterTokenizer || ids.length == 0)) {
            return ids;
        }
        int[] all = new int[ids.length + 1];
        all[0] = tokenizer.bosId().getAsInt();
        System.arraycopy(ids, 0, all, 1, ids.length);
        return all;
    }

    public Prompt {
        if (tokens.length == 0) {
            throw new IllegalArgumentException("prompt: found no tokens, expected at least one");
        }
    }
}
