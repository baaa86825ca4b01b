package dev.fathom.cli;

import dev.fathom.learn.Json;
import dev.fathom.model.tokenizer.BytePairTokenizer;
import dev.fathom.model.tokenizer.BytePairTrainer;
import dev.fathom.model.tokenizer.SpecialTokens;
import dev.fathom.model.tokenizer.TokenizerFiles;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** {@code fathom tokenizer train}. */
@Command(
        name = "train",
        mixinStandardHelpOptions = true,
        versionProvider = VersionProvider.class,
        description =
                "Learn a byte-level BPE vocabulary from text and write tokenizer.json. Text is split as DeepSeek-V3's;"
                        + " <bos>, <eos> and the tags for thinking and answer are tokens of their own.")
final class TokenizerTrainCommand implements Callable<Integer> {
    @ParentCommand
    private TokenizerCommand parent;

    @Spec
    private CommandSpec spec;

    @Parameters(index = "0", paramLabel = "MODEL", description = "Directory to write to, made if there is none.")
    private Path model;

    @Parameters(
            index = "1..*",
            arity = "0..*",
            paramLabel = "TEXT",
            description = "UTF-8 text files; without any, the text is read from standard input.")
    private List<Path> texts = List.of();

    @Option(
            names = "--vocabulary-size",
            paramLabel = "N",
            description = "Number of tokens, at least 262: 256 bytes and the special ones. Default: ${DEFAULT-VALUE}.",
            defaultValue = "8192")
    private int vocabularySize;

    @Option(names = "--json", description = "Print one JSON object: the directory, the vocabulary's size, the merges.")
    private boolean json;

    @Override
    public Integer call() {
        Path file = model.resolve(TokenizerFiles.TOKENIZER);
        if (Files.exists(file)) {
            throw new CommandException(ExitCode.USAGE, file + " exists already; it is not overwritten.");
        }
        BytePairTrainer trainer = new BytePairTrainer(vocabularySize, SpecialTokens.REASONING);
        if (texts.isEmpty()) {
            trainer.add(TokenizerCommand.standardInput());
        }
        for (Path text : texts) {
            trainer.add(TokenizerCommand.text(read(text), text.toString()));
        }
        BytePairTokenizer tokenizer = trainer.train();
        TokenizerFiles.write(model, tokenizer, null);
        Screen screen = parent.screen(spec);
        if (json) {
            screen.line(Json.MAPPER.writeValueAsString(Json.MAPPER
                    .createObjectNode()
                    .put("model", model.toString())
                    .put("vocabularySize", tokenizer.vocabularySize())
                    .put("merges", tokenizer.mergeCount())));
        } else {
            String fewer =
                    tokenizer.vocabularySize() < vocabularySize ? "; the text has no more pairs that occur twice" : "";
            screen.line(tokenizer.vocabularySize() + " tokens, " + tokenizer.mergeCount() + " merges" + fewer);
            screen.line(model.toString());
        }
        return ExitCode.OK;
    }

    private static byte[] read(Path text) {
        try {
            return Files.readAllBytes(text);
        } catch (IOException e) {
            throw new UncheckedIOException(
                    text + " cannot be read (" + e.getClass().getSimpleName() + ")", e);
        }
    }
}
