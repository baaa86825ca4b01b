package dev.fathom.model.files;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.function.BiFunction;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.TokenStreamLocation;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * Strict JSON: a duplicate key or text behind the document is an error, because whichever of two values a parser keeps, the
 * file's author may have meant the other.
 */
public final class Json {
    /** How a reader turns (message, cause) into its own exception type. */
    public interface Failure extends BiFunction<String, @Nullable Throwable, ModelFileException> {}

    /** The one mapper; for building nodes and for data the caller trusts. */
    public static final JsonMapper MAPPER = JsonMapper.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .enable(SerializationFeature.INDENT_OUTPUT)
            .build();

    /** Config and tokenizer files are kilobytes to some megabytes; more than this is not one of them. */
    private static final long MAXIMUM_BYTES = 256L << 20;

    private Json() {}

    /** Reads a JSON object from a UTF-8 file. */
    public static ObjectNode readObject(Path file, Failure failure) {
        try {
            long size = Files.size(file);
            if (size > MAXIMUM_BYTES) {
                throw failure.apply(
                        file + ": found " + size + " bytes, expected a JSON file of at most " + MAXIMUM_BYTES, null);
            }
            return parseObject(Files.readAllBytes(file), file.toString(), failure);
        } catch (NoSuchFileException e) {
            throw failure.apply(file + ": no such file", e);
        } catch (IOException e) {
            throw failure.apply(file + ": cannot be read (" + describe(e) + ")", e);
        }
    }

    /**
     * Parses a JSON object.
     *
     * @param source what to call the text in an error, usually the file
     */
    public static ObjectNode parseObject(byte[] utf8, String source, Failure failure) {
        JsonNode node;
        try {
            node = MAPPER.readTree(utf8);
        } catch (JacksonException e) {
            throw failure.apply(source + ": not valid JSON at " + location(e) + ": " + e.getOriginalMessage(), e);
        }
        if (node instanceof ObjectNode object) {
            return object;
        }
        throw failure.apply(source + ": found " + describe(node) + ", expected a JSON object", null);
    }

    /** Indented UTF-8 text with a final newline. */
    public static byte[] bytes(JsonNode node) {
        return (MAPPER.writeValueAsString(node) + "\n").getBytes(java.nio.charset.StandardCharsets.UTF_8);
    }

    /** A value as an error message shows it: JSON, shortened. */
    public static String describe(@Nullable JsonNode node) {
        if (node == null || node.isMissingNode()) {
            return "nothing";
        }
        String text = node.toString();
        return text.length() <= 80 ? text : text.substring(0, 77) + "...";
    }

    /** An I/O error in words; the messages of some {@link IOException}s are only a path. */
    public static String describe(IOException e) {
        return e.getMessage() == null
                ? e.getClass().getSimpleName()
                : e.getClass().getSimpleName() + ": " + e.getMessage();
    }

    private static String location(JacksonException e) {
        TokenStreamLocation at = e.getLocation();
        return at == null ? "an unknown place" : "line " + at.getLineNr() + ", column " + at.getColumnNr();
    }
}
