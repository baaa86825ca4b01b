/**
 * Generation: many sequences at once with continuous batching, over the kernels that train.
 *
 * <p>Does not know HTTP or losses.
 */
@NullMarked
package dev.fathom.infer;

import org.jspecify.annotations.NullMarked;
