/**
 * Quantized weights: blocks of small integers with shared scales, as GGUF files hold them, and the FP8 of DeepSeek-V3. Every type has a
 * scalar decoder that reads like its specification ({@link dev.fathom.engine.quant.ReferenceDecoder},
 * {@link dev.fathom.engine.quant.Float8}) beside a vector one that computes the same bits.
 */
@NullMarked
package dev.fathom.engine.quant;

import org.jspecify.annotations.NullMarked;
