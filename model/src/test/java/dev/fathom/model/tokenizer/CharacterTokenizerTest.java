package dev.fathom.model.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.model.files.Json;
import dev.fathom.model.tokenizer.SpecialTokens.SpecialToken;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.node.ObjectNode;

class CharacterTokenizerTest {
    private static final CharacterTokenizer TOKENIZER =
            CharacterTokenizer.of("0123456789+-*= \n<é中🙂", SpecialTokens.REASONING);

    @TempDir
    Path folder;

    @Test
    void specialTokensComeFirstThenCharactersInOrder() {
        assertThat(TOKENIZER.bosId()).hasValue(0);
        assertThat(TOKENIZER.eosId()).hasValue(1);
        assertThat(TOKENIZER.vocabularySize()).isEqualTo(6 + 20);
        assertThat(TOKENIZER.token(6)).isEqualTo("0");
        assertThat(TOKENIZER.id("🙂")).hasValue(25);
        assertThat(TOKENIZER.id("x")).isEmpty();
        assertThat(TOKENIZER.isSpecial(2)).isTrue();
        assertThat(TOKENIZER.isSpecial(6)).isFalse();
    }

    @Test
    void encodesSpecialTokensAsOneIdAndDecodesBack() {
        String text = "<bos>1+2=<think>é中🙂<3</think>\n<answer>3</answer><eos>";
        int[] ids = TOKENIZER.encode(text);
        assertThat(ids).startsWith(0, 7, 16, 8, 19, 2).endsWith(4, 9, 5, 1);
        assertThat(ids).hasSize(17);
        assertThat(TOKENIZER.decode(ids)).isEqualTo(text);
        assertThat(TOKENIZER.encode("")).isEmpty();
    }

    @Test
    void takesTheLongestSpecialToken() {
        SpecialTokens special = new SpecialTokens(
                List.of(new SpecialToken("ab", false), new SpecialToken("abc", false), new SpecialToken("bcd", false)),
                null,
                null);
        CharacterTokenizer tokenizer = CharacterTokenizer.of("abcd", special);
        assertThat(tokenizer.encode("abcdab")).containsExactly(1, 6, 0);
        assertThat(tokenizer.bosId()).isEmpty();
    }

    @Test
    void trainsOnTheCharactersOutsideSpecialTokens() {
        CharacterTokenizer tokenizer =
                CharacterTokenizer.train(List.of("<think>21</think>", "1🙂a"), SpecialTokens.REASONING);
        assertThat(tokenizer).isEqualTo(CharacterTokenizer.of("12a🙂", SpecialTokens.REASONING));
    }

    @Test
    void streamsWholeCharacters() {
        StreamingDecoder decoder = TOKENIZER.streamingDecoder();
        assertThat(decoder.add(25)).isEqualTo("🙂");
        assertThat(decoder.finish()).isEmpty();
    }

    @Test
    void namesAnUnknownCharacterAndItsPosition() {
        assertThatThrownBy(() -> TOKENIZER.encode("12 plus 3"))
                .isInstanceOf(TokenizerException.class)
                .hasMessage(
                        "cannot encode \"p\" (U+0070) at position 3 of \"12 plus 3\": it is none of the tokenizer's 20"
                                + " characters");
        assertThatThrownBy(() -> TOKENIZER.encode("1\u0000"))
                .hasMessageContaining("cannot encode U+0000 at position 1");
        assertThatThrownBy(() -> TOKENIZER.encode("1\ud83d2")).hasMessageContaining("half a surrogate pair (U+D83D)");
        assertThatThrownBy(() -> TOKENIZER.decode(new int[] {26}))
                .isInstanceOf(TokenizerException.class)
                .hasMessage("token id: found 26, expected 0 to 25");
    }

    @Test
    void refusesImpossibleVocabularies() {
        assertThatThrownBy(() -> CharacterTokenizer.of("aba", SpecialTokens.NONE))
                .hasMessage("token \"a\" is twice in the vocabulary, at ids 0 and 2");
        assertThatThrownBy(() -> CharacterTokenizer.of("\ud83d", SpecialTokens.NONE))
                .hasMessageContaining("expected one character or a special token");
        assertThatThrownBy(() -> new SpecialTokens(List.of(), "<bos>", null)).hasMessageContaining("bos token");
        SpecialTokens single = new SpecialTokens(List.of(new SpecialToken("x", true)), null, null);
        assertThatThrownBy(() -> CharacterTokenizer.of("a", single)).hasMessageContaining("expected at least 2");
    }

    @Test
    void roundTripsThroughItsFiles() throws Exception {
        write(TOKENIZER.toJson(), TokenizerFiles.configJson(TOKENIZER, "{{ messages }}"));
        assertThat(TokenizerFiles.read(folder)).isEqualTo(TOKENIZER);
        assertThat(TokenizerFiles.chatTemplate(folder)).isEqualTo("{{ messages }}");
        Files.delete(folder.resolve(TokenizerFiles.CONFIG));
        assertThat(TokenizerFiles.read(folder).eosId()).isEmpty();
        assertThat(TokenizerFiles.chatTemplate(folder)).isNull();
    }

    @Test
    void readsWhatTransformers5Saves() throws Exception {
        ObjectNode json = TOKENIZER.toJson();
        json.set(
                "post_processor",
                Json.MAPPER.readTree(
                        "{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],"
                                + "\"pair\":[{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},{\"Sequence\":{\"id\":\"B\",\"type_id\":1}}],"
                                + "\"special_tokens\":{}}"));
        write(json, TokenizerFiles.configJson(TOKENIZER, "old"));
        Files.writeString(folder.resolve("chat_template.jinja"), "new");
        assertThat(TokenizerFiles.read(folder)).isEqualTo(TOKENIZER);
        assertThat(TokenizerFiles.chatTemplate(folder)).isEqualTo("new");
    }

    static Stream<Arguments> mistakes() {
        return Stream.of(
                mistake(
                        "model.type: found \"Unigram\", expected \"BPE\"; models of other types are not supported",
                        json -> model(json).put("type", "Unigram")),
                mistake(
                        "model.merges[0]: found \"a b\", expected two tokens of the vocabulary that together are a third",
                        json -> {
                            json.putObject("pre_tokenizer").put("type", "ByteLevel");
                            model(json).putArray("merges").add("a b");
                        }),
                mistake("model: found nothing, expected an object", json -> json.remove("model")),
                mistake(
                        "normalizer: found {\"type\":\"NFC\"}, expected null",
                        json -> json.putObject("normalizer").put("type", "NFC")),
                mistake(
                        "pre_tokenizer: found {\"type\":\"Digits\"}, expected null",
                        json -> json.putObject("pre_tokenizer").put("type", "Digits")),
                mistake(
                        "post_processor: found {\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\"",
                        json -> json.putObject("post_processor")
                                .put("type", "TemplateProcessing")
                                .putArray("single")
                                .addObject()
                                .putObject("SpecialToken")
                                .put("id", "<bos>")),
                mistake("decoder: found null, expected a decoder of type ByteLevel", json -> json.putNull("decoder")),
                mistake("extra: found 1, expected no such key", json -> json.put("extra", 1)),
                mistake(
                        "model.byte_fallback: found true, expected false",
                        json -> model(json).put("byte_fallback", true)),
                mistake(
                        "model.unk_token: found \"?\", expected null",
                        json -> model(json).put("unk_token", "?")),
                mistake(
                        "found 7, expected an id of its own, it is also the id of \"0\"",
                        json -> vocabulary(json).put("0", 7)),
                mistake(
                        "model.vocab[\"0\"]: found -1, expected an integer",
                        json -> vocabulary(json).put("0", -1)),
                mistake(
                        "model.vocab: found 26 tokens with ids up to 99",
                        json -> vocabulary(json).put("0", 99)),
                mistake("token \"ab\" (id 26)", json -> vocabulary(json).put("ab", 26)),
                mistake(
                        "added_tokens[0].lstrip: found true, expected false",
                        json -> ((ObjectNode) json.get("added_tokens").get(0)).put("lstrip", true)),
                mistake(
                        "added_tokens[0]: found",
                        json -> ((ObjectNode) json.get("added_tokens").get(0)).put("id", 3)),
                mistake("bos token: found \"<bos>\", expected one of the special tokens", json -> {
                    json.putArray("added_tokens");
                    vocabulary(json).removeAll();
                }));
    }

    private static Arguments mistake(String message, Consumer<ObjectNode> change) {
        return Arguments.of(message, change);
    }

    private static ObjectNode model(ObjectNode json) {
        return (ObjectNode) json.get("model");
    }

    private static ObjectNode vocabulary(ObjectNode json) {
        return (ObjectNode) model(json).get("vocab");
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("mistakes")
    void refusesWhatWouldGiveOtherIds(String message, Consumer<ObjectNode> change) throws Exception {
        ObjectNode json = TOKENIZER.toJson();
        change.accept(json);
        write(json, TokenizerFiles.configJson(TOKENIZER, null));
        assertThatThrownBy(() -> TokenizerFiles.read(folder))
                .isInstanceOf(TokenizerException.class)
                .hasMessageStartingWith(folder.resolve("tokenizer.json") + ": ")
                .hasMessageContaining(message);
    }

    private void write(ObjectNode tokenizer, ObjectNode config) throws Exception {
        Files.write(folder.resolve(TokenizerFiles.TOKENIZER), Json.bytes(tokenizer));
        Files.write(folder.resolve(TokenizerFiles.CONFIG), Json.bytes(config));
    }
}
