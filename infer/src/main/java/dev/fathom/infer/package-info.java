/**
 * Generation: KV caches, samplers, the engine (continuous batching, prefix reuse, speculative decoding with multi-token
 * prediction), stop and reasoning parsing.
 *
 * <p>Does not know HTTP or losses.
 */
@NullMarked
package dev.fathom.infer;

import org.jspecify.annotations.NullMarked;
