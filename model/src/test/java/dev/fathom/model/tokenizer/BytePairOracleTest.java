package dev.fathom.model.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.model.tokenizer.PreTokenizer.ByteLevel;
import dev.fathom.model.tokenizer.SpecialTokens.SpecialToken;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Byte-level BPE with the rules of every supported model: the same ids and the same text as the Hugging Face library. */
class BytePairOracleTest {
    private static final SpecialTokens SPECIAL = new SpecialTokens(
            List.of(
                    new SpecialToken("<\uff5cbegin\u2581of\u2581sentence\uff5c>", true),
                    new SpecialToken("<\uff5cend\u2581of\u2581sentence\uff5c>", true),
                    new SpecialToken("<\uff5cUser\uff5c>", false),
                    new SpecialToken("<think>", false),
                    new SpecialToken("</think>", false),
                    new SpecialToken("<|im_start|>", true)),
            "<\uff5cbegin\u2581of\u2581sentence\uff5c>",
            "<\uff5cend\u2581of\u2581sentence\uff5c>");

    private static final BytePairDefinition TRAINED =
            new BytePairTrainer(1500, SPECIAL).add(SampleText.corpus()).train().definition();

    static Stream<String> rules() {
        return Stream.of(
                "llama-bpe",
                "qwen2",
                "deepseek-v3",
                "deepseek-llm",
                "deepseek-coder",
                "gpt-2",
                "default",
                "gpt-2 prefixed");
    }

    /** The trained vocabulary with the rules of a model. */
    static BytePairTokenizer tokenizer(String name) {
        boolean prefixed = name.endsWith(" prefixed");
        GgufPreTokenizer rules = GgufPreTokenizer.find(name.replace(" prefixed", ""));
        PreTokenizer preTokenizer = prefixed ? new ByteLevel(true, true) : rules.preTokenizer();
        return new BytePairTokenizer(new BytePairDefinition(
                TRAINED.vocabulary(),
                TRAINED.merges(),
                new BytePairModel.Options(true, rules.ignoreMerges(), false, null, false),
                rules.normalizer(),
                preTokenizer,
                TRAINED.added(),
                TRAINED.added().subList(0, 1),
                List.of(),
                TRAINED.decoder(),
                TRAINED.bos(),
                TRAINED.eos()));
    }

    @ParameterizedTest
    @MethodSource("rules")
    void givesTheSameIdsAndText(String rules) {
        compare(rules, 300, 11);
    }

    @Tag("long")
    @ParameterizedTest
    @MethodSource("rules")
    void givesTheSameIdsAndTextManyTimes(String rules) {
        compare(rules, 15_000, 12);
    }

    private static void compare(String rules, int texts, int seed) {
        BytePairTokenizer ours = tokenizer(rules);
        List<String> special = SPECIAL.tokens().stream().map(SpecialToken::text).toList();
        SplittableRandom random = new SplittableRandom(seed);
        try (HuggingFaceOracle theirs = HuggingFaceOracle.open(ours.toJson())) {
            for (int i = 0; i < texts; i++) {
                String text = SampleText.random(random, special);
                int[] ids = ours.encode(text);
                assertThat(ids).as(text).isEqualTo(theirs.encode(text));
                assertThat(ours.decode(ids)).as(text).isEqualTo(theirs.decode(ids, false));
                if (i % 10 == 0) {
                    assertThat(ours.encodeDocument(text)).isEqualTo(theirs.encodeDocument(text));
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("rules")
    void givesTheSameIdsForCharactersOfEveryKind(String rules) {
        compareCharacters(rules, 331);
    }

    @Tag("long")
    @ParameterizedTest
    @MethodSource("rules")
    void givesTheSameIdsForEveryCharacter(String rules) {
        compareCharacters(rules, 1);
    }

    /** Characters of all planes that have any, alone and among letters, digits, spaces and marks. */
    private static void compareCharacters(String rules, int step) {
        BytePairTokenizer ours = tokenizer(rules);
        try (HuggingFaceOracle theirs = HuggingFaceOracle.open(ours.toJson())) {
            StringBuilder text = new StringBuilder();
            // The first blocks have the scripts and signs that patterns name; from there on in steps.
            for (int codePoint = 0; codePoint < 0xe01ff; codePoint += codePoint < 0x3100 ? 1 : step) {
                if ((codePoint >= 0xd800 && codePoint <= 0xdfff) || (codePoint > 0x33479 && codePoint < 0xe0000)) {
                    continue; // surrogates, and planes without characters
                }
                String c = Character.toString(codePoint);
                text.append(c)
                        .append('a')
                        .append(c)
                        .append(c)
                        .append(" 1")
                        .append(c)
                        .append("\n ")
                        .append(c);
                if (text.length() > 4000) {
                    assertThat(ours.encode(text.toString()))
                            .as("up to U+%X", codePoint)
                            .isEqualTo(theirs.encode(text.toString()));
                    text.setLength(0);
                }
            }
        }
    }

    @Test
    void normalizesAsTheOriginalDoes() {
        BytePairTokenizer ours = tokenizer("qwen2");
        SplittableRandom random = new SplittableRandom(3);
        try (HuggingFaceOracle theirs = HuggingFaceOracle.open(ours.toJson())) {
            for (int codePoint = 0x300; codePoint < 0x1f000; codePoint++) {
                if (codePoint >= 0xd800 && codePoint < 0xe000) {
                    continue; // surrogates
                }
                if (java.text.Normalizer.isNormalized(Character.toString(codePoint), java.text.Normalizer.Form.NFD)
                        && Character.getType(codePoint) != Character.NON_SPACING_MARK
                        && Character.getType(codePoint) != Character.COMBINING_SPACING_MARK
                        && random.nextInt(50) != 0) {
                    continue;
                }
                String c = Character.toString(codePoint);
                String text = "a\u0301" + c + "\u0334\u0323\u0301 " + c
                        + Character.toString(0x300 + random.nextInt(0x70)) + " "
                        + java.text.Normalizer.normalize(c, java.text.Normalizer.Form.NFD);
                assertThat(ours.encode(text)).as("U+%X", codePoint).isEqualTo(theirs.encode(text));
            }
        }
    }
}
