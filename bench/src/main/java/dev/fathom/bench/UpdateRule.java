package dev.fathom.bench;

import dev.fathom.engine.AdamW;
import dev.fathom.engine.Engine;
import dev.fathom.engine.Muon;
import dev.fathom.engine.Optimizer;
import dev.fathom.model.TrainableModel;
import java.util.Locale;

/** How gradients become updates. Weight decay of 0.1 is on matrices only; the gradient is clipped to a global norm of 1. */
public enum UpdateRule {
    /** For everything, as in the workloads that are compared with other engines. */
    ADAMW,
    /** For matrices between hidden states, AdamW for the rest: the optimizer of Fathom's own recipe. */
    MUON;

    public String key() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** @param beta2 of AdamW */
    Optimizer optimizer(Engine engine, float beta2) {
        AdamW adamW = new AdamW(engine.kernels(), 0.9f, beta2, 1e-8f, 0.1f, 1);
        return switch (this) {
            case ADAMW -> adamW;
            case MUON -> new Muon(adamW, engine.gemm(), TrainableModel::isHiddenMatrix, 0.95f, Muon.JORDAN);
        };
    }
}
