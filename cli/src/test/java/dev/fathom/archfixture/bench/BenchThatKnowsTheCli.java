package dev.fathom.archfixture.bench;

import dev.fathom.archfixture.cli.CliThatPrints;

/** Breaks a rule: measuring does not know the command line. */
public final class BenchThatKnowsTheCli {
    CliThatPrints command = new CliThatPrints();
}
