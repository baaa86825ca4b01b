/** Clients that people use, as they use them: only the base URL is ours. */
@NullMarked
package dev.fathom.cli.client;

import org.jspecify.annotations.NullMarked;
