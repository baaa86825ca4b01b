package dev.fathom.cli;

import dev.fathom.learn.run.RunDirectory;
import dev.fathom.model.gguf.Gguf;
import dev.fathom.model.tokenizer.GgufVocabulary;
import dev.fathom.model.tokenizer.Tokenizer;
import dev.fathom.model.tokenizer.TokenizerFiles;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** {@code fathom tokenizer}: the parent of its subcommands. */
@Command(
        name = "tokenizer",
        mixinStandardHelpOptions = true,
        versionProvider = VersionProvider.class,
        description = "Turn text into token ids and back, or learn a vocabulary.",
        synopsisSubcommandLabel = "COMMAND",
        subcommands = {TokenizerEncodeCommand.class, TokenizerDecodeCommand.class, TokenizerTrainCommand.class})
final class TokenizerCommand implements Runnable {
    @ParentCommand
    private Main main;

    @Spec
    private CommandSpec spec;

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "Missing command");
    }

    Screen screen(CommandSpec command) {
        return main.screen(command);
    }

    /** The tokenizer of a run, of a directory that holds one, or of a GGUF file. */
    static Tokenizer open(Path path) {
        if (Files.isRegularFile(path)) {
            return GgufVocabulary.of(Gguf.open(path).metadata()).tokenizer(path.toString());
        }
        if (!RunDirectory.isRun(path) && Files.isDirectory(path)) {
            if (!Files.exists(path.resolve(TokenizerFiles.TOKENIZER))) {
                throw new CommandException(
                        ExitCode.USAGE, path + " has no " + TokenizerFiles.TOKENIZER + " and is no run (no run.json).");
            }
            return TokenizerFiles.read(path);
        }
        return TokenizerFiles.read(ModelPath.find(path, null).directory());
    }

    /** All of standard input, to the byte: also the line end at its end. */
    static String standardInput() {
        try {
            return text(System.in.readAllBytes(), "standard input");
        } catch (IOException e) {
            throw new UncheckedIOException("standard input cannot be read: " + e.getMessage(), e);
        }
    }

    /** UTF-8; anything else would be tokens of something that nobody wrote. */
    static String text(byte[] utf8, String source) {
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(utf8))
                    .toString();
        } catch (CharacterCodingException e) {
            throw new CommandException(ExitCode.USAGE, source + " is not UTF-8 text.", e);
        }
    }
}
