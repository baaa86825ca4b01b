package dev.fathom.archfixture.learn;

import dev.fathom.archfixture.cli.CliThatPrints;

/** Breaks a rule: learning does not know the command line. */
public final class LearnThatKnowsTheCli {
    CliThatPrints command = new CliThatPrints();
}
