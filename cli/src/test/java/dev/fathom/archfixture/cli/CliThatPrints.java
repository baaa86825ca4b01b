package dev.fathom.archfixture.cli;

/** Breaks no rule: the console belongs to cli. */
public final class CliThatPrints {
    public void print() {
        System.out.println("printed by cli");
    }
}
