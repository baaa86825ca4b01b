package dev.fathom.archfixture.onednn;

/** A provider that should be found by ServiceLoader only; breaks no rule itself. */
public final class OneDnnProvider {
    public int threads() {
        return 1;
    }
}
