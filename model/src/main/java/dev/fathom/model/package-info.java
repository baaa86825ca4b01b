/**
 * The DeepSeek-V3 model as it is published: configs with Hugging Face names, layers, checkpoints (safetensors), tokenizers.
 *
 * <p>Does not know sampling loops or training loops.
 */
@NullMarked
package dev.fathom.model;

import org.jspecify.annotations.NullMarked;
