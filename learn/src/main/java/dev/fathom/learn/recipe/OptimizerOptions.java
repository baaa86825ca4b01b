package dev.fathom.learn.recipe;

/**
 * The optimizer of a stage.
 *
 * @param kind AdamW for everything, or Muon for matrices and AdamW for the rest
 * @param beta1 decay of AdamW's first moment; Muon's momentum is 0.95, as in DeepSeek-V4
 * @param beta2 decay of the second moment
 * @param weightDecay per unit of learning rate, on matrices only
 * @param clipNorm gradients are scaled down to this global norm when they exceed it
 */
public record OptimizerOptions(Kind kind, double beta1, double beta2, double weightDecay, double clipNorm) {
    /** Which update rule. */
    public enum Kind {
        ADAMW,
        MUON
    }

    public OptimizerOptions {
        Check.between("optimizer.beta1", beta1, 0, 0.9999);
        Check.between("optimizer.beta2", beta2, 0, 0.999999);
        Check.between("optimizer.weightDecay", weightDecay, 0, 10);
        Check.positive("optimizer.clipNorm", clipNorm);
    }

    /** DeepSeek-V3's pre-training values. */
    public static OptimizerOptions adamw() {
        return new OptimizerOptions(Kind.ADAMW, 0.9, 0.95, 0.1, 1.0);
    }
}
