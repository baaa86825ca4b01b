/**
 * Models as they are published: configs with Hugging Face names, layers, architectures (DeepSeek-V2/V3, Qwen2, Llama),
 * checkpoints (safetensors, GGUF, quantized formats), tokenizers, chat templates.
 *
 * <p>Does not know sampling loops or training loops.
 */
@NullMarked
package dev.fathom.model;

import org.jspecify.annotations.NullMarked;
