/**
 * Answers that are JSON of a given form, whatever the model would rather write: a JSON schema becomes a grammar over bytes, and the grammar a
 * mask over the tokens of a vocabulary before each token is sampled.
 *
 * <p>{@link dev.fathom.infer.grammar.SchemaCompiler} reads a schema into {@link dev.fathom.infer.grammar.Shape}s, what has been written so far
 * is a stack of {@link dev.fathom.infer.grammar.Frame}s, sets of stacks are the nodes of an automaton that is built as it is needed
 * ({@link dev.fathom.infer.grammar.Automaton}), and each node knows its tokens ({@link dev.fathom.infer.grammar.GrammarConstraint}).
 */
@NullMarked
package dev.fathom.infer.grammar;

import org.jspecify.annotations.NullMarked;
