package dev.fathom.archfixture.model;

import sun.misc.Unsafe;

/** Breaks a rule: nobody uses Unsafe. */
public final class ModelThatUsesUnsafe {
    Unsafe unsafe;
}
