package dev.fathom.engine;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.ServiceLoader;

/**
 * What computes: the kernels, the matrix products and the threads, chosen once and said in one line.
 *
 * @param kernels everything but matrix products
 * @param gemm matrix products of linear layers, at the chosen precision
 * @param exactGemm matrix products that stay f32 whatever the precision: the router
 * @param storedGemm matrix products with weights as files store them
 * @param pool the threads all of them share
 * @param note why a provider on the class path is not used, or empty: part of the kernels line, so that nothing falls back in silence
 */
public record Engine(Kernels kernels, Gemm gemm, Gemm exactGemm, StoredGemm storedGemm, WorkerPool pool, String note)
        implements AutoCloseable {

    /** What a user may choose. */
    public enum PrecisionChoice {
        /** bf16 where a provider multiplies bf16 faster than f32 on this machine, else f32. */
        AUTO,
        F32,
        BF16
    }

    /**
     * Opens the engine.
     *
     * @param gemm {@code "auto"}, {@code "vector"} (pure Java) or the name of a provider on the class path
     * @throws IllegalArgumentException if the provider asked for is not there or cannot run here; it says why
     */
    public static Engine open(PrecisionChoice choice, String gemm, int threads) {
        List<GemmProvider> providers = new ArrayList<>();
        ServiceLoader.load(GemmProvider.class).forEach(providers::add);
        List<GemmProvider> allowed = providers.stream()
                .filter(provider -> gemm.equals("auto") || gemm.equals(provider.name()))
                .toList();
        if (allowed.isEmpty() && !gemm.equals("auto") && !gemm.equals("vector")) {
            throw new IllegalArgumentException("no matrix-product provider named '" + gemm + "'; known: auto, vector"
                    + String.join(
                            "", providers.stream().map(p -> ", " + p.name()).toList()));
        }
        String reasons = "";
        for (Precision precision : candidates(choice)) {
            for (GemmProvider provider : allowed) {
                String reason = provider.unavailable(precision);
                if (reason.isEmpty() && (!gemm.equals("auto") || provider.preferred(precision))) {
                    WorkerPool pool = new WorkerPool(threads);
                    Kernels kernels = new VectorKernels(
                            pool,
                            provider.attention(precision, pool).orElseGet(() -> new VectorAttention(pool)),
                            provider.rows(precision).orElseGet(() -> new VectorRows(pool)));
                    StoredGemm stored = provider.stored(precision, pool).orElseGet(() -> new VectorStoredGemm(pool));
                    return of(kernels, provider.open(precision, pool), stored, pool, "");
                }
                if (!reason.isEmpty()) {
                    String named = provider.name() + " " + precision.name().toLowerCase(Locale.ROOT) + ": " + reason;
                    reasons += (reasons.isEmpty() ? "" : "; ") + named;
                }
            }
        }
        if (!gemm.equals("auto") && !gemm.equals("vector")) {
            throw new IllegalArgumentException("--gemm " + gemm + " cannot run here: " + reasons);
        }
        WorkerPool pool = new WorkerPool(threads);
        Precision precision = choice == PrecisionChoice.BF16 ? Precision.BF16 : Precision.F32;
        return vector(precision, pool, reasons);
    }

    private static List<Precision> candidates(PrecisionChoice choice) {
        return switch (choice) {
            case AUTO -> List.of(Precision.BF16, Precision.F32);
            case F32 -> List.of(Precision.F32);
            case BF16 -> List.of(Precision.BF16);
        };
    }

    /**
     * The same engine with keys and values kept in this type. It shares threads with this one: one of the two is to be closed.
     *
     * @throws IllegalArgumentException if no attention here keeps them so
     */
    public Engine withKeyValues(DType type) {
        if (type == kernels.keyValueType()) {
            return this;
        }
        if (type == DType.I8 && kernels instanceof VectorKernels vector) {
            return new Engine(vector.withQuantizedKeyValues(), gemm, exactGemm, storedGemm, pool, note);
        }
        if (type != DType.F32) {
            throw new IllegalArgumentException(
                    "keys and values in " + type + ": the attention of this engine (" + kernels.name()
                            + ") keeps them in " + kernels.keyValueType() + ", F32 and I8 are the other choices");
        }
        Kernels inFloats = kernels instanceof VectorKernels own ? own.withFloatKeyValues() : new VectorKernels(pool);
        return new Engine(inFloats, gemm, exactGemm, storedGemm, pool, note);
    }

    /** The pure Java engine. */
    public static Engine vector(Precision precision, int threads) {
        return vector(precision, new WorkerPool(threads), "");
    }

    private static Engine vector(Precision precision, WorkerPool pool, String note) {
        return of(new VectorKernels(pool), new VectorGemm(precision, pool), new VectorStoredGemm(pool), pool, note);
    }

    private static Engine of(Kernels kernels, Gemm gemm, StoredGemm stored, WorkerPool pool, String note) {
        Gemm exact = gemm.precision() == Precision.F32 ? gemm : new VectorGemm(Precision.F32, pool);
        return new Engine(kernels, gemm, exact, stored, pool, note);
    }

    /** The kernels line, such as {@code kernels: vector 512-bit + oneDNN 3.11 bf16, stored weights vector 512-bit, 2 threads}. */
    public String describe() {
        return "kernels: " + kernels.name() + " + " + gemm.name() + ", stored weights " + storedGemm.name() + ", "
                + pool.threads() + (pool.threads() == 1 ? " thread" : " threads")
                + (note.isEmpty() ? "" : " (not used: " + note + ")");
    }

    @Override
    public void close() {
        gemm.close();
        if (exactGemm != gemm) {
            exactGemm.close();
        }
        pool.close();
    }
}
