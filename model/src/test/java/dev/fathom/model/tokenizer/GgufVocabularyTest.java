package dev.fathom.model.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.model.gguf.Gguf;
import dev.fathom.model.gguf.GgufValue;
import dev.fathom.model.gguf.GgufWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class GgufVocabularyTest {
    private static final String SPACE = "\u2581";

    /** A small SentencePiece vocabulary: special tokens, bytes, pieces with falling scores, single characters. */
    private static GgufVocabulary llama(SplittableRandom random) {
        List<String> tokens = new ArrayList<>(List.of("<unk>", "<s>", "</s>"));
        List<Integer> types = new ArrayList<>(List.of(2, 3, 3));
        List<Float> scores = new ArrayList<>(List.of(0f, 0f, 0f));
        for (int b = 0; b < 256; b++) {
            add(BytePairModel.byteToken(b), GgufVocabulary.TYPE_BYTE, 0, tokens, types, scores);
        }
        String characters = "abc" + SPACE + "\u00e9";
        List<String> pieces = new ArrayList<>(Arrays.asList(characters.split("")));
        for (int i = 0; i < 40; i++) {
            String piece = pieces.get(random.nextInt(pieces.size())) + pieces.get(random.nextInt(pieces.size()));
            if (!pieces.contains(piece)) {
                pieces.add(piece);
                // Sometimes two pieces have the same score: then the leftmost pair goes first.
                add(piece, GgufVocabulary.TYPE_NORMAL, -random.nextInt(30), tokens, types, scores);
            }
        }
        for (String c : characters.split("")) {
            add(c, GgufVocabulary.TYPE_NORMAL, -1000, tokens, types, scores);
        }
        add("<tool>", GgufVocabulary.TYPE_USER_DEFINED, 0, tokens, types, scores);
        float[] scoreArray = new float[scores.size()];
        for (int i = 0; i < scoreArray.length; i++) {
            scoreArray[i] = scores.get(i);
        }
        return new GgufVocabulary(
                "llama",
                null,
                tokens,
                scoreArray,
                types.stream().mapToInt(i -> i).toArray(),
                List.of(),
                1,
                2,
                0,
                null,
                null,
                null);
    }

    private static void add(
            String token, int type, float score, List<String> tokens, List<Integer> types, List<Float> scores) {
        tokens.add(token);
        types.add(type);
        scores.add(score);
    }

    /** Against the rule, written out: of all neighbours that together are a token, those of the highest score, from the left. */
    @Test
    void sentencePieceMergesByScore() {
        SplittableRandom random = new SplittableRandom(81);
        for (int round = 0; round < 15; round++) {
            GgufVocabulary vocabulary = llama(random);
            Tokenizer tokenizer = vocabulary.tokenizer("test.gguf");
            for (int i = 0; i < 40; i++) {
                StringBuilder text = new StringBuilder();
                for (int n = random.nextInt(30); n > 0; n--) {
                    text.append("aaabbc  \u00e9\n\u4e2d".charAt(random.nextInt(11)));
                }
                assertThat(tokenizer.encode(text.toString()))
                        .as(text.toString())
                        .isEqualTo(slowly(text.toString(), vocabulary));
                assertThat(tokenizer.decode(tokenizer.encode(text.toString()))).isEqualTo(text.toString());
            }
        }
    }

    private static int[] slowly(String text, GgufVocabulary vocabulary) {
        Map<String, Integer> ids = new HashMap<>();
        for (int id = 0; id < vocabulary.tokens().size(); id++) {
            ids.put(vocabulary.tokens().get(id), id);
        }
        List<String> symbols = new ArrayList<>();
        if (!text.isEmpty()) {
            (SPACE + text.replace(" ", SPACE)).codePoints().forEach(c -> symbols.add(Character.toString(c)));
        }
        while (true) {
            int best = -1;
            float bestScore = Float.NEGATIVE_INFINITY;
            for (int i = 0; i + 1 < symbols.size(); i++) {
                Integer id = ids.get(symbols.get(i) + symbols.get(i + 1));
                if (id != null && vocabulary.scores()[id] > bestScore) {
                    best = i;
                    bestScore = vocabulary.scores()[id];
                }
            }
            if (best < 0) {
                break;
            }
            symbols.set(best, symbols.get(best) + symbols.remove(best + 1));
        }
        List<Integer> encoded = new ArrayList<>();
        for (String symbol : symbols) {
            if (ids.containsKey(symbol)) {
                encoded.add(ids.get(symbol));
            } else {
                for (byte b : symbol.getBytes(java.nio.charset.StandardCharsets.UTF_8)) {
                    encoded.add(ids.get(BytePairModel.byteToken(b & 0xff)));
                }
            }
        }
        return encoded.stream().mapToInt(i -> i).toArray();
    }

    @Test
    void findsSpecialTokensAndBeginsDocuments() {
        Tokenizer tokenizer = llama(new SplittableRandom(82)).tokenizer("test.gguf");
        assertThat(tokenizer.bosId()).hasValue(1);
        assertThat(tokenizer.eosId()).hasValue(2);
        assertThat(tokenizer.encodeDocument("a")[0]).isEqualTo(1);
        assertThat(tokenizer.encode("<s>")).containsExactly(1);
        int tool = tokenizer.id("<tool>").orElseThrow();
        assertThat(tokenizer.encode("<tool><tool>")).containsExactly(tool, tool);
        assertThat(tokenizer.specialTokens().find("<tool>").orElseThrow().control())
                .isFalse();
        assertThat(tokenizer.decode(tokenizer.encode("ab \n\u4e2d"))).isEqualTo("ab \n\u4e2d");
    }

    @Test
    void takesPairsForMergesOfBytes() {
        GgufVocabulary vocabulary = gpt2("gpt-2", List.of("a b", "\u0120 ab"));
        Tokenizer tokenizer = vocabulary.tokenizer("test.gguf");
        assertThat(tokenizer.encode("ab ab")).containsExactly(256, 257);
        assertThat(tokenizer.encodeDocument("ab ab")).containsExactly(256, 257);
        assertThat(tokenizer.encode("<eos>")).containsExactly(258);
        Tokenizer llama3 = gpt2("llama-bpe", List.of()).tokenizer("test.gguf");
        assertThat(llama3.encode("ab"))
                .as("words that are tokens are taken whole")
                .containsExactly(256);
        assertThat(llama3.encodeDocument("ab")).containsExactly(258, 256);
    }

    private static GgufVocabulary gpt2(String pre, List<String> merges) {
        List<String> tokens = new ArrayList<>();
        for (int b = 0; b < 256; b++) {
            tokens.add(String.valueOf(ByteAlphabet.character(b)));
        }
        tokens.addAll(List.of("ab", "\u0120ab", "<eos>"));
        int[] types = new int[tokens.size()];
        Arrays.fill(types, GgufVocabulary.TYPE_NORMAL);
        types[258] = GgufVocabulary.TYPE_CONTROL;
        return new GgufVocabulary("gpt2", pre, tokens, null, types, merges, 258, 258, null, null, null, null);
    }

    @Test
    void comesOutOfAFile(@TempDir Path folder) {
        GgufVocabulary before = llama(new SplittableRandom(83));
        Map<String, GgufValue> metadata = new LinkedHashMap<>();
        metadata.put("tokenizer.ggml.model", GgufValue.string(before.model()));
        metadata.put("tokenizer.ggml.tokens", GgufValue.strings(before.tokens()));
        metadata.put("tokenizer.ggml.scores", GgufValue.float32s(before.scores()));
        metadata.put("tokenizer.ggml.token_type", GgufValue.int32s(before.types()));
        metadata.put("tokenizer.ggml.bos_token_id", GgufValue.uint32(1));
        metadata.put("tokenizer.ggml.eos_token_id", GgufValue.uint32(2));
        metadata.put("tokenizer.ggml.unknown_token_id", GgufValue.uint32(0));
        metadata.put("tokenizer.ggml.add_eos_token", GgufValue.bool(true));
        Path file = folder.resolve("vocabulary.gguf");
        GgufWriter.write(file, metadata, List.of());
        Tokenizer read = GgufVocabulary.of(Gguf.open(file).metadata()).tokenizer(file.toString());
        assertThat(read.encode("abc abc")).isEqualTo(before.tokenizer("before").encode("abc abc"));
        assertThat(read.encodeDocument("a")).startsWith(1).endsWith(2);
    }

    @Test
    void refusesByName() {
        assertThatThrownBy(() -> gpt2("gpt-9", List.of()).tokenizer("x.gguf"))
                .isInstanceOf(TokenizerException.class)
                .hasMessage("x.gguf: tokenizer.ggml.pre: found \"gpt-9\", expected one of [llama-bpe, llama3, llama-v3,"
                        + " qwen2, deepseek-r1-qwen, deepseek-v3, deepseek-llm, deepseek-coder, gpt-2, default]");
        assertThatThrownBy(() -> gpt2("gpt-2", List.of("a", "b")).tokenizer("x.gguf"))
                .hasMessageStartingWith("x.gguf: tokenizer.ggml.merges[0]: found \"a\", expected two tokens");
        GgufVocabulary good = gpt2("gpt-2", List.of());
        assertThatThrownBy(() -> new GgufVocabulary(
                                "t5", null, good.tokens(), null, null, List.of(), null, null, null, null, null, null)
                        .tokenizer("x.gguf"))
                .hasMessage("x.gguf: tokenizer.ggml.model: found \"t5\", expected gpt2 or llama");
        assertThatThrownBy(() -> new GgufVocabulary(
                                "llama", null, good.tokens(), null, null, List.of(), null, null, null, null, null, null)
                        .tokenizer("x.gguf"))
                .hasMessageContaining("tokenizer.ggml.scores: found nothing, expected one for each token");
        assertThatThrownBy(() -> new GgufVocabulary(
                                "gpt2",
                                null,
                                good.tokens(),
                                null,
                                new int[3],
                                List.of(),
                                null,
                                null,
                                null,
                                null,
                                null,
                                null)
                        .tokenizer("x.gguf"))
                .hasMessage("x.gguf: tokenizer.ggml.token_type: found 3 values, expected 259, one for each token");
        assertThatThrownBy(() -> new GgufVocabulary(
                                "gpt2", null, good.tokens(), null, null, List.of(), 259, null, null, null, null, null)
                        .tokenizer("x.gguf"))
                .hasMessage("x.gguf: tokenizer.ggml.bos_token_id: found 259, expected 0 to 258");
    }
}
