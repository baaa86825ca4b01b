package dev.fathom.engine;

/** What a parameter holds before training. */
public sealed interface Initializer {
    /** Normally distributed around 0. The numbers depend on the seed, the parameter's name and the element's index alone. */
    record Normal(double std) implements Initializer {
        public Normal {
            if (!(std >= 0) || Double.isInfinite(std)) {
                throw new IllegalArgumentException("standard deviation must be finite and at least 0, is " + std);
            }
        }
    }

    /** The same value everywhere: 1 for the weight of a norm, 0 for a routing bias. */
    record Constant(float value) implements Initializer {}

    static Initializer normal(double std) {
        return new Normal(std);
    }

    static Initializer ones() {
        return new Constant(1);
    }

    static Initializer zeros() {
        return new Constant(0);
    }
}
