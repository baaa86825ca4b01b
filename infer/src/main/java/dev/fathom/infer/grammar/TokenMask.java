package dev.fathom.infer.grammar;

/**
 * The tokens that may come at a place.
 *
 * @param words bit {@code id % 64} of word {@code id / 64} stands for a token
 * @param longest the most bytes that the text needs to its end behind one of them
 */
record TokenMask(long[] words, int longest) {}
