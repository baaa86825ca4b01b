package dev.fathom.avx512;

import dev.fathom.engine.AttentionKernels;
import dev.fathom.engine.Gemm;
import dev.fathom.engine.GemmProvider;
import dev.fathom.engine.Precision;
import dev.fathom.engine.RowKernels;
import dev.fathom.engine.StoredGemm;
import dev.fathom.engine.WorkerPool;
import java.util.Optional;

/**
 * Offers {@link Avx512Gemm}, {@link Avx512Attention}, {@link Avx512Rows} and, where there are products of bytes as well (VNNI), {@link Avx512StoredGemm} on
 * processors with AVX-512 BF16: AMD Zen 4 and later, Intel Cooper Lake, Sapphire Rapids and later.
 */
public final class Avx512Provider implements GemmProvider {
    @Override
    public String name() {
        return "avx512";
    }

    @Override
    public String unavailable(Precision precision) {
        if (precision != Precision.BF16) {
            return "generated code multiplies bf16 only";
        }
        return Processor.FAILURE;
    }

    @Override
    public boolean preferred(Precision precision) {
        return unavailable(precision).isEmpty() && !Processor.HAS_AMX;
    }

    @Override
    public Gemm open(Precision precision, WorkerPool pool) {
        String reason = unavailable(precision);
        if (!reason.isEmpty()) {
            throw new UnsupportedOperationException(reason);
        }
        return new Avx512Gemm(pool);
    }

    @Override
    public Optional<AttentionKernels> attention(Precision precision, WorkerPool pool) {
        return Optional.of(new Avx512Attention(pool));
    }

    @Override
    public Optional<RowKernels> rows(Precision precision) {
        return Optional.of(new Avx512Rows());
    }

    @Override
    public Optional<StoredGemm> stored(Precision precision, WorkerPool pool) {
        return Processor.HAS_BYTE_PRODUCTS ? Optional.of(new Avx512StoredGemm(pool)) : Optional.empty();
    }
}
