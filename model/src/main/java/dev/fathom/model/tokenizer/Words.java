package dev.fathom.model.tokenizer;

/** Takes the pieces of a text, one after another. */
@FunctionalInterface
interface Words {
    /** The piece from {@code from} (inclusive) to {@code to} (exclusive), never empty. */
    void accept(String text, int from, int to);
}
