package dev.fathom.model.tokenizer;

/**
 * Decodes ids as they arrive and never gives out half a character: where one character takes several tokens (byte-level
 * vocabularies), the text appears with the last of them. Not safe for use by several threads.
 */
public interface StreamingDecoder {
    /** The text that became certain with this id; often one token's text, sometimes empty. */
    String add(int id);

    /** What is left at the end: empty, or replacement characters for bytes that never became a character. */
    String finish();
}
