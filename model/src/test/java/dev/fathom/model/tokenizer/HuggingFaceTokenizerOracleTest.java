package dev.fathom.model.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/** Our {@code tokenizer.json} of characters, read by the Hugging Face library, gives the same ids and the same text. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class HuggingFaceTokenizerOracleTest {
    private static final String CHARACTERS = "0123456789+-*/=() \n\t<>abcehiknorstwxyz.,\"'é中🙂ß\u0301\u200d";
    private final CharacterTokenizer ours = CharacterTokenizer.of(CHARACTERS, SpecialTokens.REASONING);

    private HuggingFaceOracle theirs;

    @BeforeAll
    void open() {
        theirs = HuggingFaceOracle.open(ours.toJson());
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
        assertThat(ids).as(text).isEqualTo(theirs.encode(text));
        assertThat(theirs.decode(ids, false)).isEqualTo(ours.decode(ids));
    }

    @Test
    void controlTokensAreHiddenThereAndMarkersShown() {
        int[] ids = ours.encode("<bos><think>1</think><eos>");
        assertThat(theirs.decode(ids, true)).isEqualTo("<think>1</think>");
    }
}
