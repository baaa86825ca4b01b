package dev.fathom.model.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.abort;

import ai.djl.huggingface.tokenizers.Encoding;
import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import dev.fathom.model.files.Json;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;

/** Our {@code tokenizer.json} read by the Hugging Face library (DJL's JNI binding of it) gives the same ids and the same text. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class HuggingFaceTokenizerOracleTest {
    private static final String CHARACTERS = "0123456789+-*/=() \n\t<>abcehiknorstwxyz.,\"'é中🙂ß\u0301\u200d";
    private final CharacterTokenizer ours = CharacterTokenizer.of(CHARACTERS, SpecialTokens.REASONING);

    private HuggingFaceTokenizer theirs;

    @BeforeAll
    void open(@TempDir Path folder) throws Exception {
        Path file = folder.resolve("tokenizer.json");
        Files.write(file, Json.bytes(ours.toJson()));
        // Without this, DJL would send usage statistics and look for newer native libraries on the network.
        System.setProperty("ai.djl.offline", "true");
        System.setProperty("OPT_OUT_TRACKING", "true");
        try {
            theirs = HuggingFaceTokenizer.newInstance(file, Map.of("addSpecialTokens", "false", "truncation", "false"));
        } catch (UnsatisfiedLinkError | NoClassDefFoundError | ExceptionInInitializerError | IllegalStateException e) {
            abort("the native Hugging Face tokenizers library is not available here: " + e);
        }
    }

    @AfterAll
    void close() {
        if (theirs != null) {
            theirs.close();
        }
    }

    @Test
    void givesTheSameIds() {
        List<String> texts = List.of(
                "",
                "12+34=46",
                "<bos>1+2=<think>abc <3 </think> <answer>3</answer><eos>",
                "<think></think><think",
                "  a  b\n\n\tc ",
                "é中🙂ß a\u0301");
        texts.forEach(this::compare);
    }

    @Test
    void givesTheSameIdsForRandomText() {
        SplittableRandom random = new SplittableRandom(5);
        int[] characters = CHARACTERS.codePoints().toArray();
        List<String> specials = SpecialTokens.REASONING.tokens().stream()
                .map(SpecialTokens.SpecialToken::text)
                .toList();
        for (int round = 0; round < 300; round++) {
            StringBuilder text = new StringBuilder();
            int length = random.nextInt(round < 290 ? 40 : 3000);
            for (int i = 0; i < length; i++) {
                if (random.nextInt(12) == 0) {
                    String special = specials.get(random.nextInt(specials.size()));
                    // Sometimes cut short: "<thin" must come out as characters on both sides.
                    text.append(special, 0, random.nextBoolean() ? special.length() : random.nextInt(special.length()));
                } else {
                    text.appendCodePoint(characters[random.nextInt(characters.length)]);
                }
            }
            compare(text.toString());
        }
    }

    private void compare(String text) {
        int[] ids = ours.encode(text);
        Encoding encoding = theirs.encode(text);
        long[] expected = encoding.getIds();
        assertThat(Arrays.stream(ids).asLongStream().toArray()).as(text).isEqualTo(expected);
        assertThat(theirs.decode(expected, false)).isEqualTo(ours.decode(ids));
    }

    @Test
    void controlTokensAreHiddenThereAndMarkersShown() {
        long[] ids = Arrays.stream(ours.encode("<bos><think>1</think><eos>"))
                .asLongStream()
                .toArray();
        assertThat(theirs.decode(ids, true)).isEqualTo("<think>1</think>");
    }
}
