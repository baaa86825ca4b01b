package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** {@code fathom tokenizer} as a user types it. */
class TokenizerCommandTest {
    private static final JsonMapper MAPPER = new JsonMapper();
    private static final String TEXT =
            "To be, or not to be: that is the question.\n\tBe all my sins remember'd! 1234 \u4e2d\ud83d\ude80\n";

    @TempDir
    static Path folder;

    private static Path model;

    @BeforeAll
    static void train() throws Exception {
        model = folder.resolve("model");
        Path text = folder.resolve("text.txt");
        Files.writeString(text, TEXT.repeat(3));
        Fathom.Result trained = Fathom.run("tokenizer", "train", model, text, text, "--vocabulary-size", 300);
        assertThat(trained.err()).isEmpty();
        assertThat(trained.exitCode()).isZero();
        assertThat(trained.lines()).containsExactly("300 tokens, 38 merges", model.toString());
        assertThat(model.resolve("tokenizer.json")).isNotEmptyFile();
        assertThat(model.resolve("tokenizer_config.json")).isNotEmptyFile();
    }

    private static Fathom.Result run(byte[] input, Object... words) {
        InputStream before = System.in;
        System.setIn(new ByteArrayInputStream(input));
        try {
            return Fathom.run(words);
        } finally {
            System.setIn(before);
        }
    }

    private static Fathom.Result run(String input, Object... words) {
        return run(input.getBytes(StandardCharsets.UTF_8), words);
    }

    @Test
    void decodeGivesBackWhatWasEncoded() {
        Fathom.Result ids = run("<bos>" + TEXT, "tokenizer", "encode", model);
        assertThat(ids.err()).isEmpty();
        assertThat(ids.exitCode()).isZero();
        assertThat(ids.out()).matches("0( \\d+)+\\R");
        assertThat(run(ids.out(), "tokenizer", "decode", model).out()).isEqualTo("<bos>" + TEXT);
        assertThat(run("0,1 2", "tokenizer", "decode", model).out()).isEqualTo("<bos><eos><think>");
        assertThat(run("", "tokenizer", "decode", model).out()).isEmpty();
    }

    @Test
    void jsonIsForPrograms() {
        JsonNode encoded = MAPPER.readTree(run("<think> be", "tokenizer", "encode", model, "--json", "--document")
                .out());
        assertThat(encoded.path("ids").get(0).intValue()).isEqualTo(2);
        assertThat(encoded.path("tokens").get(0).stringValue()).isEqualTo("<think>");
        assertThat(encoded.path("tokens")).hasSameSizeAs(encoded.path("ids"));
        assertThat(MAPPER.readTree(
                                run("2", "tokenizer", "decode", model, "--json").out())
                        .path("text")
                        .stringValue())
                .isEqualTo("<think>");
        Path other = folder.resolve("from-standard-input");
        JsonNode trained =
                MAPPER.readTree(run("aaaaaaaa", "tokenizer", "train", other, "--vocabulary-size", 264, "--json")
                        .out());
        assertThat(trained.path("vocabularySize").intValue()).isEqualTo(264);
        assertThat(trained.path("merges").intValue()).isEqualTo(2);
        assertThat(trained.path("model").stringValue()).isEqualTo(other.toString());
    }

    @Test
    void sayWhatIsWrong() {
        assertThat(run("x", "tokenizer", "encode", folder.resolve("none")).err())
                .isEqualTo("fathom: " + folder.resolve("none") + " does not exist. Your runs: ./fathom runs"
                        + System.lineSeparator());
        assertThat(run("x", "tokenizer", "encode", folder).err()).contains("has no tokenizer.json and is no run");
        assertThat(run("1 x", "tokenizer", "decode", model).err())
                .contains("standard input: found \"x\", expected token ids");
        assertThat(run("300", "tokenizer", "decode", model).err()).contains("token id: found 300, expected 0 to 299");
        assertThat(run(new byte[] {'a', (byte) 0xff}, "tokenizer", "encode", model)
                        .err())
                .contains("standard input is not UTF-8 text.");
        Fathom.Result again = run("x", "tokenizer", "train", model);
        assertThat(again.exitCode()).isEqualTo(2);
        assertThat(again.err()).contains("exists already");
        assertThat(run("x", "tokenizer", "train", folder.resolve("small"), "--vocabulary-size", 100)
                        .err())
                .contains("vocabulary size: found 100, expected at least 262");
        assertThat(run("", "tokenizer", "train", folder.resolve("small"), folder.resolve("no.txt"))
                        .err())
                .contains("no.txt cannot be read");
        assertThat(folder.resolve("small")).doesNotExist();
        assertThat(run("", "tokenizer").err()).contains("Missing command");
    }
}
