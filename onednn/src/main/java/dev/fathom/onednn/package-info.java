/**
 * GEMM through oneDNN, called by the Foreign Function and Memory API: a provider that the engine finds by
 * {@code ServiceLoader} when this module is on the class path.
 *
 * <p>Does not know models, files or text.
 */
@NullMarked
package dev.fathom.onednn;

import org.jspecify.annotations.NullMarked;
