package dev.fathom.plan.hardware;

import java.util.Locale;

/** The operands of matrix products. */
public enum Precision {
    FP8,
    BF16,
    F32;

    public String key() {
        return name().toLowerCase(Locale.ROOT);
    }
}
