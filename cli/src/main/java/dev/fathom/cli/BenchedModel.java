package dev.fathom.cli;

import dev.fathom.engine.Engine;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** What all measurements of one released model share: the model, what computes, and how the result is printed. */
final class BenchedModel {
    @Parameters(index = "0", paramLabel = "MODEL", description = "A GGUF file or a Hugging Face directory.")
    private Path path;

    @Option(names = "--json", description = "Print the result as one JSON object.")
    private boolean json;

    @Mixin
    private EngineOptions engineOptions;

    @Mixin
    private KeyValueOption keyValueOption;

    Path path() {
        return path;
    }

    boolean json() {
        return json;
    }

    int threads() {
        return engineOptions.threads();
    }

    Engine open() {
        return keyValueOption.open(engineOptions);
    }

    /** The same choice of engine as words of a command line. */
    List<String> engineWords() {
        List<String> words = new ArrayList<>(engineOptions.words());
        words.addAll(keyValueOption.words());
        return words;
    }
}
