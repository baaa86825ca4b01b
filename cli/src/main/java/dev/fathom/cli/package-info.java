/**
 * The {@code fathom} command: picocli commands, thin, with no logic of their own. The only module that writes to the
 * console.
 */
@NullMarked
package dev.fathom.cli;

import org.jspecify.annotations.NullMarked;
