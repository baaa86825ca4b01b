package dev.fathom.archfixture.cli;

import dev.fathom.archfixture.onednn.OneDnnProvider;

/** Breaks a rule: providers may be absent, so nobody names them. */
public final class CliThatNamesOneDnn {
    OneDnnProvider provider = new OneDnnProvider();
}
