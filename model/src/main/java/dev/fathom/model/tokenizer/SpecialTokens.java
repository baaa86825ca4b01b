package dev.fathom.model.tokenizer;

import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Tokens that are matched as a whole in text before anything else.
 *
 * @param tokens all of them, in id order
 * @param bos the one that begins a document, one of {@code tokens}
 * @param eos the one that ends a document, one of {@code tokens}
 */
public record SpecialTokens(
        List<SpecialToken> tokens,
        @Nullable String bos,
        @Nullable String eos) {
    /**
     * One special token.
     *
     * @param text how it is written
     * @param control true for a token that steers and is no part of an answer ({@code <eos>}): other engines hide it when they
     *     show text ({@code "special": true}). False for a visible marker such as {@code <think>}, which those engines must show,
     *     because their reasoning parsers look for it (DeepSeek-R1's tokenizer declares it the same way)
     */
    public record SpecialToken(String text, boolean control) {}

    /** Document ends and the markers of the R1-Zero template (arXiv 2501.12948, table 1). */
    public static final SpecialTokens REASONING = new SpecialTokens(
            List.of(
                    new SpecialToken("<bos>", true),
                    new SpecialToken("<eos>", true),
                    new SpecialToken("<think>", false),
                    new SpecialToken("</think>", false),
                    new SpecialToken("<answer>", false),
                    new SpecialToken("</answer>", false)),
            "<bos>",
            "<eos>");

    /** No special tokens at all. */
    public static final SpecialTokens NONE = new SpecialTokens(List.of(), null, null);

    public SpecialTokens {
        tokens = List.copyOf(tokens);
        Set<String> seen = new HashSet<>();
        for (SpecialToken token : tokens) {
            if (!seen.add(token.text)) {
                throw new TokenizerException("special token \"" + token.text + "\" is given twice");
            }
        }
        requireKnown("bos", bos, seen);
        requireKnown("eos", eos, seen);
    }

    private static void requireKnown(String role, @Nullable String token, Set<String> known) {
        if (token != null && !known.contains(token)) {
            throw new TokenizerException(
                    role + " token: found \"" + token + "\", expected one of the special tokens " + known);
        }
    }

    /** The special token written like this. */
    public Optional<SpecialToken> find(String text) {
        return tokens.stream().filter(token -> Objects.equals(token.text, text)).findFirst();
    }
}
