/**
 * Checkpoint directories: a Hugging Face model directory, plus {@code trainer/} with what training needs to go on. A directory
 * is published as a whole or not at all.
 */
@NullMarked
package dev.fathom.model.checkpoint;

import org.jspecify.annotations.NullMarked;
