package dev.fathom.model.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Vocabularies of released models: published test vectors, the Hugging Face library on what we write from them, and the way
 * there and back. Skipped where the files are not.
 */
class ReleasedVocabularyTest {
    private static final Path FOLDER = Path.of("../../shared/data/vocab");

    private static GgufVocabulary vocabulary(String name) throws Exception {
        Path file = FOLDER.resolve(name + ".gguf");
        assumeTrue(Files.exists(file), () -> file + " is not here");
        return VocabularyFile.read(file);
    }

    private static Tokenizer tokenizer(String name) throws Exception {
        return vocabulary(name).tokenizer(name);
    }

    /** Texts between lines of "__ggml_vocab_test__", and a line of ids for each. */
    @Test
    void encodesEveryPublishedVectorExactly() throws Exception {
        assumeTrue(Files.isDirectory(FOLDER), () -> FOLDER + " is not here");
        int checked = 0;
        try (Stream<Path> files = Files.list(FOLDER)) {
            for (Path input :
                    files.filter(file -> file.toString().endsWith(".gguf.inp")).toList()) {
                String name = input.getFileName().toString().replace(".gguf.inp", "");
                Tokenizer tokenizer = tokenizer(name);
                String[] texts = Files.readString(input).split("\n__ggml_vocab_test__\n", -1);
                String[] expected =
                        Files.readString(FOLDER.resolve(name + ".gguf.out")).split("\n", -1);
                for (int i = 0; i < texts.length; i++) {
                    int[] ids = Stream.of(expected[i].split(" "))
                            .filter(id -> !id.isBlank())
                            .mapToInt(Integer::parseInt)
                            .toArray();
                    assertThat(tokenizer.encode(texts[i]))
                            .as("%s, text %d: %s", name, i, texts[i])
                            .isEqualTo(ids);
                    assertThat(tokenizer.decode(ids)).isEqualTo(texts[i]);
                    checked++;
                }
            }
        }
        assertThat(checked).isGreaterThan(90);
    }

    @ParameterizedTest
    @ValueSource(strings = {"gpt-2", "deepseek-llm"})
    void encodesAsTheHuggingFaceLibraryDoes(String name) throws Exception {
        compare(name, 300, 21);
    }

    @Tag("long")
    @ParameterizedTest
    @ValueSource(strings = {"gpt-2", "deepseek-llm"})
    void encodesAsTheHuggingFaceLibraryDoesManyTimes(String name) throws Exception {
        compare(name, 10_000, 22);
    }

    private static void compare(String name, int texts, int seed) throws Exception {
        Tokenizer ours = tokenizer(name);
        List<String> special = ours.specialTokens().tokens().stream()
                .map(SpecialTokens.SpecialToken::text)
                .toList();
        SplittableRandom random = new SplittableRandom(seed);
        try (HuggingFaceOracle theirs = HuggingFaceOracle.open(ours.toJson())) {
            for (int i = 0; i < texts; i++) {
                String text = SampleText.random(random, special);
                int[] ids = ours.encode(text);
                assertThat(ids).as(text).isEqualTo(theirs.encode(text));
                assertThat(ours.decode(ids)).isEqualTo(text);
            }
        }
    }

    @Test
    void aVocabularyComesBackFromTokenizerJson() throws Exception {
        Tokenizer before = tokenizer("deepseek-llm");
        Tokenizer after = TokenizerJson.read(
                before.toJson(),
                "tokenizer.json",
                before.specialTokens().bos(),
                before.specialTokens().eos());
        SplittableRandom random = new SplittableRandom(23);
        for (int i = 0; i < 200; i++) {
            String text = SampleText.random(random, List.of());
            assertThat(after.encode(text)).isEqualTo(before.encode(text));
        }
        assertThat(after.toJson()).isEqualTo(before.toJson());
        assertThat(Arrays.stream(new int[] {0, 100, 1000})
                        .mapToObj(after::token)
                        .toList())
                .isEqualTo(Arrays.stream(new int[] {0, 100, 1000})
                        .mapToObj(before::token)
                        .toList());
    }
}
