package dev.fathom.archfixture.engine;

import picocli.CommandLine.Model.CommandSpec;

/** Breaks a rule: the engine depends on the JDK alone. */
public final class EngineThatUsesALibrary {
    CommandSpec spec = CommandSpec.create();
}
