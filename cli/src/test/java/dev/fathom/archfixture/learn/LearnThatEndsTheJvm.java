package dev.fathom.archfixture.learn;

/** Breaks a rule: only cli ends the JVM. */
public final class LearnThatEndsTheJvm {
    void fail() {
        System.exit(1);
    }
}
