package dev.fathom.infer;

import dev.fathom.model.tokenizer.SpecialTokens.SpecialToken;
import dev.fathom.model.tokenizer.Tokenizer;
import java.util.BitSet;
import java.util.List;

/**
 * The tokens of a vocabulary that mean something to the engine.
 *
 * @param ends those that end a response
 * @param hidden those that steer and are no part of a text
 * @param beginOfThinking {@code <think>}, -1 if that is no token
 * @param endOfThinking {@code </think>}, -1 if that is no token
 */
record TokenRoles(BitSet ends, BitSet hidden, int beginOfThinking, int endOfThinking) {
    static TokenRoles of(Tokenizer tokenizer, List<Integer> endTokens) {
        BitSet ends = new BitSet();
        endTokens.forEach(ends::set);
        BitSet hidden = new BitSet();
        for (SpecialToken token : tokenizer.specialTokens().tokens()) {
            if (token.control()) {
                tokenizer.id(token.text()).ifPresent(hidden::set);
            }
        }
        return new TokenRoles(
                ends,
                hidden,
                tokenizer.id("<think>").orElse(-1),
                tokenizer.id("</think>").orElse(-1));
    }
}
