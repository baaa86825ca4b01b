package dev.fathom.model.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.model.files.Json;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

class BytePairTokenizerTest {
    private static final BytePairTokenizer TOKENIZER = new BytePairTrainer(800, SpecialTokens.REASONING)
            .add(SampleText.corpus())
            .train();

    @Test
    void decodesWhatItEncoded() {
        SplittableRandom random = new SplittableRandom(31);
        for (int i = 0; i < 1000; i++) {
            String text = SampleText.random(random, List.of("<think>", "<eos>"));
            assertThat(TOKENIZER.decode(TOKENIZER.encode(text))).isEqualTo(text);
        }
    }

    @Test
    void neverGivesOutHalfACharacterHoweverTheTokensAreCut() {
        String text = "a\u00e9\u4e2d\ud83d\ude80 <think>\u1780\u17b6\u200d\ud83c\udf2b\ufe0f\u0001";
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        // Every byte a token, and every way to join neighbours: all the ways a text can be cut.
        SplittableRandom random = new SplittableRandom(32);
        for (int round = 0; round < 500; round++) {
            Utf8Stream stream = new Utf8Stream();
            StringBuilder shown = new StringBuilder();
            for (int from = 0; from < utf8.length; ) {
                int to = round == 0 ? from + 1 : Math.min(utf8.length, from + random.nextInt(0, 8));
                String part = stream.add(utf8, from, to);
                assertThat(part).doesNotContain("\ufffd");
                shown.append(part);
                assertThat(text).startsWith(shown.toString());
                assertThat(shown.length() == 0 || !Character.isHighSurrogate(shown.charAt(shown.length() - 1)))
                        .isTrue();
                from = to;
            }
            assertThat(shown.append(stream.finish()).toString()).isEqualTo(text);
        }
        StreamingDecoder decoder = TOKENIZER.streamingDecoder();
        StringBuilder shown = new StringBuilder();
        for (int id : TOKENIZER.encode(text)) {
            shown.append(decoder.add(id));
            assertThat(text).startsWith(shown.toString());
        }
        assertThat(shown + decoder.finish()).isEqualTo(text);
    }

    @Test
    void bytesThatAreNoTextBecomeReplacementCharacters() {
        int first = TOKENIZER.id("\u00e4").orElseThrow(); // the byte E4, which begins a character of three bytes
        int letter = TOKENIZER.id("a").orElseThrow();
        StreamingDecoder decoder = TOKENIZER.streamingDecoder();
        assertThat(decoder.add(first)).isEmpty();
        assertThat(decoder.add(letter)).isEqualTo("\ufffda");
        assertThat(decoder.add(first)).isEmpty();
        assertThat(decoder.finish()).isEqualTo("\ufffd");
        assertThat(decoder.add(letter)).isEqualTo("a");
        assertThatThrownBy(() -> TOKENIZER.decode(new int[] {800}))
                .isInstanceOf(TokenizerException.class)
                .hasMessage("token id: found 800, expected 0 to 799");
    }

    @Test
    void knowsItsSpecialTokens() {
        assertThat(TOKENIZER.bosId()).hasValue(0);
        assertThat(TOKENIZER.eosId()).hasValue(1);
        assertThat(TOKENIZER.isSpecial(2)).isTrue();
        assertThat(TOKENIZER.isSpecial(6)).isFalse();
        assertThat(TOKENIZER.token(2)).isEqualTo("<think>");
        assertThat(TOKENIZER.encode("<think>\n</think>"))
                .startsWith(2)
                .endsWith(3)
                .hasSize(3);
        assertThat(TOKENIZER.vocabularySize()).isEqualTo(800);
    }

    @Test
    void halfASurrogatePairIsNoText() {
        assertThatThrownBy(() -> TOKENIZER.encode("ab\ud83d c"))
                .isInstanceOf(TokenizerException.class)
                .hasMessageContaining("half a surrogate pair (U+D83D) at position 2");
    }

    @Test
    void manyThreadsGetTheSameIds() throws Exception {
        List<String> texts = new ArrayList<>();
        SplittableRandom random = new SplittableRandom(33);
        for (int i = 0; i < 100; i++) {
            texts.add(SampleText.random(random, List.of()));
        }
        BytePairTokenizer fresh = new BytePairTokenizer(TOKENIZER.definition());
        List<int[]> expected = texts.stream().map(TOKENIZER::encode).toList();
        List<Throwable> failures = new ArrayList<>();
        List<Thread> threads = new ArrayList<>();
        for (int t = 0; t < 4; t++) {
            threads.add(Thread.ofPlatform().start(() -> {
                try {
                    for (int i = 0; i < texts.size(); i++) {
                        assertThat(fresh.encode(texts.get(i))).isEqualTo(expected.get(i));
                    }
                } catch (AssertionError e) {
                    synchronized (failures) {
                        failures.add(e);
                    }
                }
            }));
        }
        for (Thread thread : threads) {
            thread.join();
        }
        assertThat(failures).isEmpty();
    }

    /** Options of added tokens in all combinations, against the Hugging Face library. */
    @Test
    void findsAddedTokensAsTheOriginalDoes() {
        List<AddedToken> added = new ArrayList<>(TOKENIZER.definition().added());
        int id = TOKENIZER.vocabularySize();
        for (int options = 0; options < 16; options++) {
            added.add(new AddedToken(
                    id++,
                    "tok" + (char) ('a' + options),
                    options % 3 == 0,
                    (options & 1) != 0,
                    (options & 2) != 0,
                    (options & 4) != 0,
                    (options & 8) != 0));
        }
        added.add(AddedToken.plain(id++, "ab", false));
        added.add(AddedToken.plain(id++, "abc", false));
        added.add(new AddedToken(id, "caf\u0065\u0301", false, false, false, false, true));
        BytePairDefinition trained = TOKENIZER.definition();
        BytePairTokenizer ours = new BytePairTokenizer(new BytePairDefinition(
                trained.vocabulary(),
                trained.merges(),
                trained.options(),
                new Normalizer.Nfc(),
                trained.preTokenizer(),
                added,
                List.of(),
                List.of(),
                trained.decoder(),
                trained.bos(),
                trained.eos()));
        SplittableRandom random = new SplittableRandom(34);
        List<String> between =
                List.of("", " ", "  ", "\n", "x", "_", "\u00e9", "1", ".", "\u3000", "e\u0301", "caf\u00e9", "abcd");
        try (HuggingFaceOracle theirs = HuggingFaceOracle.open(ours.toJson())) {
            for (int i = 0; i < 3000; i++) {
                StringBuilder text = new StringBuilder();
                for (int n = random.nextInt(1, 8); n > 0; n--) {
                    text.append(between.get(random.nextInt(between.size())));
                    text.append(added.get(random.nextInt(added.size())).content());
                    text.append(between.get(random.nextInt(between.size())));
                }
                assertThat(ours.encode(text.toString())).as(text.toString()).isEqualTo(theirs.encode(text.toString()));
            }
        }
    }

    static Stream<Arguments> mistakes() {
        return Stream.of(
                mistake(
                        "model.type: found \"WordPiece\", expected \"BPE\"",
                        json -> model(json).put("type", "WordPiece")),
                mistake(
                        "model.dropout: found 0.1, expected null",
                        json -> model(json).put("dropout", 0.1)),
                mistake(
                        "model.end_of_word_suffix: found \"</w>\", expected null",
                        json -> model(json).put("end_of_word_suffix", "</w>")),
                mistake(
                        "model.unk_token: found \"?!?\", expected a token",
                        json -> model(json).put("unk_token", "?!?")),
                mistake(
                        "model.new: found 1, expected no such key",
                        json -> model(json).put("new", 1)),
                mistake(
                        "model.vocab: found nothing, expected an object",
                        json -> model(json).remove("vocab")),
                mistake(
                        "model.vocab[\"a\"]: found 7, expected an id of its own",
                        json -> ((ObjectNode) model(json).get("vocab")).put("a", 7)),
                mistake(
                        "model.vocab[\"a\"]: found 2000000000, expected an id of at most",
                        json -> ((ObjectNode) model(json).get("vocab")).put("a", 2_000_000_000)),
                mistake(
                        "model.merges: found nothing, expected an array",
                        json -> model(json).remove("merges")),
                mistake(
                        "model.merges[0]: found \"zz top\", expected two tokens",
                        json -> ((ArrayNode) model(json).get("merges")).insert(0, "zz top")),
                mistake(
                        "normalizer: found {\"type\":\"StripAccents\"}, expected a normalizer of type NFC",
                        json -> json.putObject("normalizer").put("type", "StripAccents")),
                mistake(
                        "pre_tokenizer: found {\"type\":\"Metaspace\"}, expected a pre-tokenizer of type Split",
                        json -> json.putObject("pre_tokenizer").put("type", "Metaspace")),
                mistake(
                        "pre_tokenizer.pretokenizers[0].behavior: found \"Removed\", expected \"Isolated\"",
                        json -> ((ObjectNode) steps(json).get(0)).put("behavior", "Removed")),
                mistake(
                        "regular expression \"\\w+\": found \\w at position 0, which is not supported",
                        json -> ((ObjectNode) steps(json).get(0).get("pattern")).put("Regex", "\\w+")),
                mistake(
                        "expected nothing behind ByteLevel",
                        json -> steps(json).add(steps(json).get(0))),
                mistake(
                        "post_processor: found {\"type\":\"BertProcessing\"}, expected a post-processor",
                        json -> json.putObject("post_processor").put("type", "BertProcessing")),
                mistake(
                        "decoder: found {\"type\":\"BPEDecoder\"}",
                        json -> json.putObject("decoder").put("type", "BPEDecoder")),
                mistake(
                        "added_tokens[0]: found",
                        json -> ((ObjectNode) json.get("added_tokens").get(0)).put("id", 3)),
                mistake(
                        "added_tokens[1]: found {\"id\":0,",
                        json -> ((ArrayNode) json.get("added_tokens"))
                                .set(1, json.get("added_tokens").get(0))));
    }

    private static Arguments mistake(String message, Consumer<ObjectNode> change) {
        return Arguments.of(message, change);
    }

    private static ObjectNode model(ObjectNode json) {
        return (ObjectNode) json.get("model");
    }

    private static ArrayNode steps(ObjectNode json) {
        return (ArrayNode) json.get("pre_tokenizer").get("pretokenizers");
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("mistakes")
    void refusesByNameWhatItDoesNotKnow(String message, Consumer<ObjectNode> change) {
        ObjectNode json = TOKENIZER.toJson();
        change.accept(json);
        assertThatThrownBy(() -> TokenizerJson.read(json, "x/tokenizer.json", "<bos>", "<eos>"))
                .isInstanceOf(TokenizerException.class)
                .hasMessageStartingWith("x/tokenizer.json: ")
                .hasMessageContaining(message);
    }

    @Test
    void comesBackFromItsFile() {
        ObjectNode json = TOKENIZER.toJson();
        Tokenizer read = TokenizerJson.read(json, "tokenizer.json", "<bos>", "<eos>");
        assertThat(read.toJson()).isEqualTo(json);
        // Older files write merges as strings, and newer ones of others have a processor that is about offsets alone.
        ArrayNode merges = (ArrayNode) model(json).get("merges");
        for (int i = 0; i < merges.size(); i++) {
            merges.set(
                    i,
                    merges.get(i).get(0).stringValue() + " "
                            + merges.get(i).get(1).stringValue());
        }
        json.set(
                "post_processor",
                Json.MAPPER.readTree("{\"type\":\"Sequence\",\"processors\":[{\"type\":\"ByteLevel\"},"
                        + "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<bos>\",\"type_id\":0}},"
                        + "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"pair\":[],\"special_tokens\":{}}]}"));
        Tokenizer old = TokenizerJson.read(json, "tokenizer.json", "<bos>", "<eos>");
        String text = "tokenization <think> 1234";
        assertThat(old.encode(text)).isEqualTo(read.encode(text));
        assertThat(old.encodeDocument(text)[0]).isZero();
        assertThat(Arrays.copyOfRange(old.encodeDocument(text), 1, old.encodeDocument(text).length))
                .isEqualTo(read.encode(text));
    }
}
