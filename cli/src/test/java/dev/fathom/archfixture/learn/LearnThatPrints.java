package dev.fathom.archfixture.learn;

/** Breaks a rule: only cli writes to the console. */
public final class LearnThatPrints {
    public void print() {
        System.out.println("printed by a library");
    }
}
