package dev.fathom.plan;

import java.util.Locale;

/** What the forward pass does not keep and the backward pass computes again. */
public enum Recomputation {
    /** Nothing but what FlashAttention always recomputes. */
    NONE,
    /** Norms, SwiGLU outputs and MLA's up-projections (DeepSeek-V3 section 3.2.3). */
    SELECTIVE,
    /** Whole layers: only their inputs are kept. */
    FULL;

    public String key() {
        return name().toLowerCase(Locale.ROOT);
    }
}
