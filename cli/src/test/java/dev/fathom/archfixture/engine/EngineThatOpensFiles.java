package dev.fathom.archfixture.engine;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Breaks a rule: the engine does not know files. */
public final class EngineThatOpensFiles {
    byte[] read() throws IOException {
        return Files.readAllBytes(Path.of("weights.bin"));
    }
}
