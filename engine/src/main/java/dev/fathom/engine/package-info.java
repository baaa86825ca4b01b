/**
 * Tensors and everything that computes on them: {@code DType}, {@code Tensor}, memory ({@code Workspace}), {@code Kernels},
 * {@code Gemm}, {@code WorkerPool}, the {@code Tape} and its differentiable operations, optimizers, counter-based random
 * numbers.
 *
 * <p>Depends on the JDK alone. Does not know models, files or text.
 */
@NullMarked
package dev.fathom.engine;

import org.jspecify.annotations.NullMarked;
