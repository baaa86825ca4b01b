package dev.fathom.engine;

import static dev.fathom.engine.Lanes.SPECIES;
import static dev.fathom.engine.Memory.ALL;
import static dev.fathom.engine.Memory.ORDER;
import static jdk.incubator.vector.FloatVector.fromMemorySegment;

import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import java.util.stream.IntStream;
import jdk.incubator.vector.FloatVector;

/**
 * Muon (Keller Jordan, 2024) as DeepSeek-V4 uses it: the update of a weight matrix is its momentum with all singular values brought near 1,
 * {@code M = μM + G}, {@code O = NewtonSchulz(μM + G) · 0.18 · sqrt(max(n, m))}, {@code W -= lr (decay W + O)}. The factor gives the update the
 * root mean square that AdamW's has, so that both can share a learning rate. Embedding, head and norms go to AdamW.
 *
 * <p>A 3-D parameter is a stack of matrices (the experts of a layer), each orthogonalised by itself. The momentum is the parameter's first
 * moment; the second is not used.
 */
public final class Muon implements Optimizer {
    /** One iteration {@code X = aX + (bA + cA²)X} with {@code A = XXᵀ}. */
    public record Iteration(float a, float b, float c) {}

    private static final Iteration FAST = new Iteration(3.4445f, -4.7750f, 2.0315f);

    /** Five fast iterations: singular values end between 0.7 and 1.2. */
    public static final List<Iteration> JORDAN = List.of(FAST, FAST, FAST, FAST, FAST);

    /** DeepSeek-V4: eight fast iterations, then two that converge to 1. */
    public static final List<Iteration> DEEPSEEK_V4 = List.of(
            FAST,
            FAST,
            FAST,
            FAST,
            FAST,
            FAST,
            FAST,
            FAST,
            new Iteration(2f, -1.5f, 0.5f),
            new Iteration(2f, -1.5f, 0.5f));

    private static final float UPDATE_SCALE = 0.18f;

    private final AdamW others;
    private final Gemm gemm;
    private final Predicate<Parameter> matrices;
    private final float momentum;
    private final List<Iteration> iterations;
    private final Map<List<Long>, Scratch> scratches = new HashMap<>();

    /**
     * @param others for the parameters that are not matrices in this sense; its clip norm and decay hold for all
     * @param gemm matrix products of the iteration; bf16 will do, as in its author's own: singular values need not come close to 1
     * @param matrices which parameters Muon moves: 2-D or stacked 3-D weights, not the embedding and the head
     * @param momentum DeepSeek-V4: 0.95
     */
    public Muon(AdamW others, Gemm gemm, Predicate<Parameter> matrices, float momentum, List<Iteration> iterations) {
        if (!(momentum >= 0 && momentum < 1) || iterations.isEmpty()) {
            throw new IllegalArgumentException("Muon needs momentum in [0, 1) and at least one iteration; is momentum="
                    + momentum + ", iterations=" + iterations.size());
        }
        this.others = others;
        this.gemm = gemm;
        this.matrices = matrices;
        this.momentum = momentum;
        this.iterations = List.copyOf(iterations);
    }

    @Override
    public double step(Parameters parameters, float learningRate, long step) {
        double norm = others.gradientNorm(parameters, step);
        float gradScale = others.gradScale(norm);
        for (Parameter parameter : parameters) {
            if (!parameter.trained()) {
                continue;
            }
            if (matrices.test(parameter)) {
                move(parameter, learningRate, gradScale);
            } else {
                others.step(parameter, learningRate, gradScale, step);
            }
        }
        return norm;
    }

    private void move(Parameter parameter, float learningRate, float gradScale) {
        Tensor value = parameter.value();
        int rank = value.rank();
        if (rank != 2 && rank != 3) {
            throw new IllegalArgumentException(
                    "Muon moves matrices and stacks of matrices; " + parameter + " is neither");
        }
        int groups = rank == 3 ? Math.toIntExact(value.dim(0)) : 1;
        int rows = Math.toIntExact(value.dim(rank - 2));
        int columns = Math.toIntExact(value.dim(rank - 1));
        Scratch scratch = scratches.computeIfAbsent(
                Arrays.stream(value.shape()).boxed().toList(), shape -> new Scratch(gemm, groups, rows, columns));
        Tensor gradient = parameter.gradient();
        Tensor moment = parameter.firstMoment();
        linear(gradient, gradScale, moment, momentum, moment);
        // μM + G: the look-ahead of Nesterov momentum.
        Tensor update = scratch.update;
        linear(gradient, gradScale, moment, momentum, update);
        orthogonalize(scratch);
        float scale = (float) (UPDATE_SCALE * Math.sqrt(Math.max(rows, columns)));
        float keep = (float) (1 - (double) learningRate * (parameter.decay() ? others.decay() : 0));
        linear(update, -learningRate * scale, value, keep, value);
    }

    /**
     * Replaces every matrix X of a stack by one with the same singular vectors and singular values near 1. Works on the side of the smaller
     * dimension, where the Gram matrix is as small as it can be: {@code A = XXᵀ} and {@code X = aX + (bA + cA²)X}, or for a tall X
     * {@code A = XᵀX} and {@code X = aX + X(bA + cA²)}.
     */
    private void orthogonalize(Scratch scratch) {
        scratch.normalize(others.kernels());
        Tensor x = scratch.update;
        Tensor a = scratch.gram;
        Tensor polynomial = scratch.polynomial;
        for (Iteration step : iterations) {
            if (scratch.tall) {
                gemm.backwardWeight(x, x, scratch.rowGroups, a, false);
            } else {
                scratch.packedX.refresh();
                gemm.forward(x, scratch.rowGroups, scratch.packedX, a);
            }
            // Products are written y = x Wᵀ; A is symmetric, so that is A².
            scratch.packedGram.refresh();
            gemm.forward(a, scratch.gramGroups, scratch.packedGram, polynomial);
            linear(a, step.b, polynomial, step.c, polynomial);
            if (scratch.tall) {
                scratch.packedX.refresh();
                gemm.forward(x, scratch.rowGroups, scratch.packedX, scratch.product);
            } else {
                gemm.backwardInput(polynomial, scratch.gramGroups, scratch.packedX, scratch.product, false);
            }
            linear(scratch.product, 1, x, step.a, x);
        }
    }

    /** {@code out = factor x + rest y}, for tensors of equal size that may be the same. */
    private static void linear(Tensor x, float factor, Tensor y, float rest, Tensor out) {
        FloatVector factors = FloatVector.broadcast(SPECIES, factor);
        FloatVector rests = FloatVector.broadcast(SPECIES, rest);
        long size = out.size();
        long i = 0;
        for (; i <= size - Lanes.COUNT; i += Lanes.COUNT) {
            FloatVector kept =
                    fromMemorySegment(SPECIES, ALL, y.address() + 4 * i, ORDER).mul(rests);
            fromMemorySegment(SPECIES, ALL, x.address() + 4 * i, ORDER)
                    .fma(factors, kept)
                    .intoMemorySegment(ALL, out.address() + 4 * i, ORDER);
        }
        for (; i < size; i++) {
            float kept = Checks.floatAt(y, i) * rest;
            Checks.setFloat(out, i, Math.fma(Checks.floatAt(x, i), factor, kept));
        }
    }

    /** What the iteration needs for one shape of parameters, kept from step to step. */
    private static final class Scratch {
        private final int groups;
        private final boolean tall;
        /** X of every group, one below the other: {@code [groups * rows, columns]}. */
        private final Tensor update;

        private final Tensor product;
        /** A of every group, {@code [groups * small, small]}. */
        private final Tensor gram;
        /** bA + cA². */
        private final Tensor polynomial;

        private final RowGroups rowGroups;
        private final RowGroups gramGroups;
        /** The factor of the products with X that is packed: X itself, or the polynomial of a tall X. */
        private final Gemm.Packed packedX;

        private final Gemm.Packed packedGram;

        Scratch(Gemm gemm, int groups, int rows, int columns) {
            this.groups = groups;
            tall = rows > columns;
            int small = Math.min(rows, columns);
            update = Tensor.zeros(DType.F32, (long) groups * rows, columns);
            product = Tensor.zeros(DType.F32, (long) groups * rows, columns);
            gram = Tensor.zeros(DType.F32, (long) groups * small, small);
            polynomial = Tensor.zeros(DType.F32, (long) groups * small, small);
            rowGroups = equalGroups(groups, rows);
            gramGroups = equalGroups(groups, small);
            packedX =
                    gemm.pack(tall ? polynomial.reshape(groups, small, small) : update.reshape(groups, rows, columns));
            packedGram = gemm.pack(gram.reshape(groups, small, small));
        }

        private static RowGroups equalGroups(int groups, int rows) {
            return new RowGroups(
                    IntStream.rangeClosed(0, groups).map(g -> g * rows).toArray());
        }

        /** Divides each matrix by its Frobenius norm, so that no singular value exceeds 1. */
        void normalize(Kernels kernels) {
            long elements = update.size() / groups;
            for (int g = 0; g < groups; g++) {
                Tensor matrix = update.slice(g * elements, elements);
                float factor = (float) (1 / (Math.sqrt(kernels.sumOfSquares(matrix)) + 1e-7));
                linear(matrix, factor, matrix, 0, matrix);
            }
        }
    }
}
