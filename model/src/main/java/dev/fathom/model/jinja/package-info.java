/**
 * The part of the Jinja template language that chat templates use, with Python's semantics.
 *
 * <p>Read in this order: {@link dev.fathom.model.jinja.Template}, {@code Lexer}, {@code Parser} with {@code Statement} and
 * {@code Expression}, {@code Interpreter} with {@code Python}, {@code StringMethods}, {@code Filters} and {@code Tests}.
 */
@NullMarked
package dev.fathom.model.jinja;

import org.jspecify.annotations.NullMarked;
