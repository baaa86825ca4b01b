package dev.fathom.archfixture.learn;

/** Breaks a rule, in the way of JDK 25: only cli writes to the console. */
public final class LearnThatPrintsWithIo {
    void print() {
        IO.println("printed by a library");
    }
}
