package dev.fathom.model.tokenizer;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Everything that makes a byte-pair tokenizer, whichever file it comes from.
 *
 * @param vocabulary the tokens of the model, byte-level spelled or characters
 * @param merges pairs of them that merge
 * @param options of the model
 * @param normalizer applied to text before it is split, if there is one
 * @param preTokenizer how text is split into words, null for not at all
 * @param added tokens found as a whole, in id order
 * @param before added tokens that begin a document
 * @param after added tokens that end a document
 * @param decoder how tokens become text
 * @param bos role, one of the added tokens
 * @param eos role, one of the added tokens
 */
record BytePairDefinition(
        Vocabulary vocabulary,
        MergeTable merges,
        BytePairModel.Options options,
        @Nullable Normalizer normalizer,
        @Nullable PreTokenizer preTokenizer,
        List<AddedToken> added,
        List<AddedToken> before,
        List<AddedToken> after,
        TokenDecoder decoder,
        @Nullable String bos,
        @Nullable String eos) {
    BytePairDefinition {
        added = List.copyOf(added);
        before = List.copyOf(before);
        after = List.copyOf(after);
    }
}
