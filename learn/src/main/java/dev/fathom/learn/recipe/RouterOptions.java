package dev.fathom.learn.recipe;

/**
 * How the experts' load is balanced (DeepSeek-V3, section 2.1.2).
 *
 * @param biasUpdateSpeed how far an expert's selection bias moves per optimizer step, down if it was overloaded, up if
 *     not
 * @param balanceLossWeight weight of the sequence-wise balance loss
 */
public record RouterOptions(double biasUpdateSpeed, double balanceLossWeight) {
    public RouterOptions {
        Check.between("router.biasUpdateSpeed", biasUpdateSpeed, 0, 1);
        Check.between("router.balanceLossWeight", balanceLossWeight, 0, 1);
    }
}
