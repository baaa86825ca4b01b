package dev.fathom.model.tokenizer;

import dev.fathom.model.gguf.GgufMetadata;
import dev.fathom.model.gguf.GgufValue;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * What the metadata of a GGUF file say about its tokenizer; keys are those below {@code tokenizer.ggml}.
 *
 * @param model {@code gpt2} (byte-level BPE with merges) or {@code llama} (SentencePiece BPE with scores)
 * @param pre name of the rules that split text, null where the file has none
 * @param tokens in id order
 * @param scores one for each token, null for {@code gpt2}
 * @param types one {@code TYPE_…} for each token, null if the file has none
 * @param merges such as {@code "Ġ t"}, in the order of their priority; empty for {@code llama}
 * @param bosId {@code bos_token_id}, null if there is none
 * @param eosId {@code eos_token_id}, null if there is none
 * @param unknownId {@code unknown_token_id}, null if there is none
 * @param addBos {@code add_bos_token}, null for what is usual with the model
 * @param addEos {@code add_eos_token}, null for no
 * @param addSpacePrefix {@code add_space_prefix}, null for what is usual with the model
 */
public record GgufVocabulary(
        String model,
        @Nullable String pre,
        List<String> tokens,
        float @Nullable [] scores,
        int @Nullable [] types,
        List<String> merges,
        @Nullable Integer bosId,
        @Nullable Integer eosId,
        @Nullable Integer unknownId,
        @Nullable Boolean addBos,
        @Nullable Boolean addEos,
        @Nullable Boolean addSpacePrefix) {
    /** Types of tokens in {@code token_type}. */
    public static final int TYPE_NORMAL = 1;

    /** Stands for characters that are no tokens. */
    public static final int TYPE_UNKNOWN = 2;

    /** Steers and is no part of the text. */
    public static final int TYPE_CONTROL = 3;

    /** Found in text as a whole, and part of it. */
    public static final int TYPE_USER_DEFINED = 4;

    /** Fills the vocabulary up. */
    public static final int TYPE_UNUSED = 5;

    /** A byte, spelled {@code <0x0A>}. */
    public static final int TYPE_BYTE = 6;

    private static final String PREFIX = "tokenizer.ggml.";

    /** What SentencePiece writes for a space. */
    private static final String SPACE = "\u2581";

    /**
     * What a file's metadata say.
     *
     * @throws dev.fathom.model.files.CheckpointException for a key that is missing or of another kind
     */
    public static GgufVocabulary of(GgufMetadata metadata) {
        return new GgufVocabulary(
                metadata.string(PREFIX + "model"),
                metadata.findString(PREFIX + "pre").orElse(null),
                metadata.strings(PREFIX + "tokens"),
                metadata.has(PREFIX + "scores") ? metadata.numbers(PREFIX + "scores") : null,
                metadata.has(PREFIX + "token_type") ? types(metadata.integers(PREFIX + "token_type")) : null,
                metadata.has(PREFIX + "merges") ? metadata.strings(PREFIX + "merges") : List.of(),
                id(metadata, "bos_token_id"),
                id(metadata, "eos_token_id"),
                id(metadata, "unknown_token_id"),
                flag(metadata, "add_bos_token"),
                flag(metadata, "add_eos_token"),
                flag(metadata, "add_space_prefix"));
    }

    /**
     * The same of a byte-level tokenizer that was read from elsewhere.
     *
     * @param source what to call it in an error
     * @param size rows of the model's table; tokens up to there that the tokenizer does not have are called {@code [PAD17]}
     * @throws TokenizerException for tokenizers of another kind, and for rules that GGUF has no name for
     */
    public static GgufVocabulary of(Tokenizer tokenizer, String source, int size) {
        if (!(tokenizer instanceof BytePairTokenizer bytePair)
                || !bytePair.definition().options().byteLevel()) {
            throw new TokenizerException(
                    source + ": tokenizer: found one that is not byte-level BPE, expected that for GGUF");
        }
        BytePairDefinition definition = bytePair.definition();
        PreTokenizer preTokenizer = definition.preTokenizer();
        GgufPreTokenizer rules = (preTokenizer == null
                        ? Optional.<GgufPreTokenizer>empty()
                        : GgufPreTokenizer.of(preTokenizer, definition.options().ignoreMerges()))
                .orElseThrow(
                        () -> new TokenizerException(
                                source
                                        + ": pre_tokenizer: found rules that GGUF has no name for, expected those of a released model"));
        List<String> tokens = new ArrayList<>();
        int[] types = new int[size];
        Map<Integer, AddedToken> added = new HashMap<>();
        definition.added().forEach(token -> added.put(token.id(), token));
        for (int id = 0; id < size; id++) {
            AddedToken special = added.get(id);
            String token = special == null ? definition.vocabulary().find(id) : special.content();
            tokens.add(token == null ? "[PAD" + id + "]" : token);
            types[id] = special == null
                    ? token == null ? TYPE_UNUSED : TYPE_NORMAL
                    : special.special() ? TYPE_CONTROL : TYPE_USER_DEFINED;
        }
        MergeTable table = definition.merges();
        List<String> merges = IntStream.range(0, table.size())
                .boxed()
                .sorted(Comparator.comparingInt(table::rank))
                .map(i -> tokens.get(table.left(i)) + " " + tokens.get(table.right(i)))
                .toList();
        return new GgufVocabulary(
                "gpt2",
                rules.names().getFirst(),
                tokens,
                null,
                types,
                merges,
                id(tokenizer.bosId()),
                id(tokenizer.eosId()),
                null,
                !definition.before().isEmpty(),
                !definition.after().isEmpty(),
                null);
    }

    private static @Nullable Integer id(OptionalInt id) {
        return id.isPresent() ? (Integer) id.getAsInt() : null;
    }

    /** These values under their keys, for a file of byte-level BPE. */
    public Map<String, GgufValue> metadata() {
        Map<String, GgufValue> metadata = new LinkedHashMap<>();
        metadata.put(PREFIX + "model", GgufValue.string(model));
        if (pre != null) {
            metadata.put(PREFIX + "pre", GgufValue.string(pre));
        }
        metadata.put(PREFIX + "tokens", GgufValue.strings(tokens));
        if (types != null) {
            metadata.put(PREFIX + "token_type", GgufValue.int32s(types));
        }
        metadata.put(PREFIX + "merges", GgufValue.strings(merges));
        if (bosId != null) {
            metadata.put(PREFIX + "bos_token_id", GgufValue.uint32(bosId));
        }
        if (eosId != null) {
            metadata.put(PREFIX + "eos_token_id", GgufValue.uint32(eosId));
        }
        if (addBos != null) {
            metadata.put(PREFIX + "add_bos_token", GgufValue.bool(addBos));
        }
        if (addEos != null) {
            metadata.put(PREFIX + "add_eos_token", GgufValue.bool(addEos));
        }
        return metadata;
    }

    private static int[] types(long[] values) {
        return Arrays.stream(values).mapToInt(type -> (int) type).toArray();
    }

    private static @Nullable Integer id(GgufMetadata metadata, String key) {
        return metadata.has(PREFIX + key) ? (Integer) metadata.size(PREFIX + key) : null;
    }

    private static @Nullable Boolean flag(GgufMetadata metadata, String key) {
        return metadata.has(PREFIX + key) ? (Boolean) metadata.flag(PREFIX + key) : null;
    }

    /**
     * The tokenizer.
     *
     * @param source what to call the file in an error
     * @throws TokenizerException for a model or rules that are not supported, by name, and for values that fit not together
     */
    public Tokenizer tokenizer(String source) {
        try {
            requireLength("scores", scores == null ? -1 : scores.length);
            requireLength("token_type", types == null ? -1 : types.length);
            return new BytePairTokenizer(
                    switch (model) {
                        case "gpt2" -> byteLevel();
                        case "llama" -> sentencePiece();
                        default ->
                            throw new TokenizerException(
                                    "tokenizer.ggml.model: found \"" + model + "\", expected gpt2 or llama");
                    });
        } catch (TokenizerException e) {
            throw new TokenizerException(source + ": " + Objects.requireNonNullElse(e.getMessage(), ""), e);
        }
    }

    private void requireLength(String key, int found) {
        if (found >= 0 && found != tokens.size()) {
            throw new TokenizerException("tokenizer.ggml." + key + ": found " + found + " values, expected "
                    + tokens.size() + ", one for each token");
        }
    }

    private BytePairDefinition byteLevel() {
        GgufPreTokenizer rules = GgufPreTokenizer.find(pre);
        Vocabulary vocabulary = new Vocabulary(new ArrayList<@Nullable String>(tokens));
        MergeTableBuilder table = new MergeTableBuilder(vocabulary, merges.size());
        for (int rank = 0; rank < merges.size(); rank++) {
            String merge = merges.get(rank);
            int space = merge.indexOf(' ', 1);
            if (space < 0 || !table.add(merge.substring(0, space), merge.substring(space + 1), rank)) {
                throw new TokenizerException("tokenizer.ggml.merges[" + rank + "]: found \"" + merge
                        + "\", expected two tokens with a space between them that together are a third");
            }
        }
        BytePairModel.Options options = new BytePairModel.Options(true, rules.ignoreMerges(), false, null, false);
        return definition(
                vocabulary,
                table.build(),
                options,
                rules.normalizer(),
                rules.preTokenizer(),
                rules.beginsDocument(),
                TokenDecoder.BYTE_LEVEL);
    }

    /** No splitting: merges run over the whole text, in which spaces are characters like others. */
    private BytePairDefinition sentencePiece() {
        boolean prefix = addSpacePrefix == null || addSpacePrefix;
        Vocabulary vocabulary = new Vocabulary(new ArrayList<@Nullable String>(tokens));
        boolean bytes = vocabulary.id(BytePairModel.byteToken(0)) >= 0;
        String unknown = unknownId == null ? null : token("unknown_token_id", unknownId);
        Normalizer.Replace spaces = new Normalizer.Replace(" ", SPACE);
        return definition(
                vocabulary,
                mergesByScore(vocabulary),
                new BytePairModel.Options(false, false, bytes, unknown, true),
                prefix ? new Normalizer.Sequence(List.of(new Normalizer.Prepend(SPACE), spaces)) : spaces,
                null,
                true,
                new TokenDecoder(false, SPACE, bytes, prefix ? 1 : 0));
    }

    /** Any two tokens that together are a token merge, and the higher its score the earlier. */
    private MergeTable mergesByScore(Vocabulary vocabulary) {
        if (scores == null) {
            throw new TokenizerException(
                    "tokenizer.ggml.scores: found nothing, expected one for each token of a llama vocabulary");
        }
        float[] distinct = distinct(scores);
        MergeTableBuilder table = new MergeTableBuilder(vocabulary, 4 * tokens.size());
        for (int id = 0; id < tokens.size(); id++) {
            String token = tokens.get(id);
            if (type(id) != TYPE_NORMAL) {
                continue;
            }
            int rank = distinct.length - 1 - Arrays.binarySearch(distinct, scores[id]);
            for (int at = token.offsetByCodePoints(0, Math.min(1, token.codePointCount(0, token.length())));
                    at < token.length();
                    at = token.offsetByCodePoints(at, 1)) {
                int left = vocabulary.id(token.substring(0, at));
                int right = vocabulary.id(token.substring(at));
                if (left >= 0 && right >= 0 && type(left) == TYPE_NORMAL && type(right) == TYPE_NORMAL) {
                    table.add(left, right, id, rank);
                }
            }
        }
        return table.build();
    }

    /** Sorted, every value once. */
    private static float[] distinct(float[] values) {
        float[] sorted = values.clone();
        Arrays.sort(sorted);
        int count = 0;
        for (float value : sorted) {
            if (count == 0 || Float.compare(sorted[count - 1], value) != 0) {
                sorted[count++] = value;
            }
        }
        return Arrays.copyOf(sorted, count);
    }

    private int type(int id) {
        return types == null ? TYPE_NORMAL : types[id];
    }

    private BytePairDefinition definition(
            Vocabulary vocabulary,
            MergeTable table,
            BytePairModel.Options options,
            @Nullable Normalizer normalizer,
            @Nullable PreTokenizer preTokenizer,
            boolean beginsDocument,
            TokenDecoder decoder) {
        String bos = bosId == null ? null : token("bos_token_id", bosId);
        String eos = eosId == null ? null : token("eos_token_id", eosId);
        List<AddedToken> added = new ArrayList<>();
        for (int id = 0; id < tokens.size(); id++) {
            String token = tokens.get(id);
            boolean role = token.equals(bos) || token.equals(eos);
            boolean special = role || type(id) == TYPE_CONTROL || type(id) == TYPE_UNKNOWN;
            if ((special || type(id) == TYPE_USER_DEFINED) && vocabulary.id(token) == id) {
                added.add(AddedToken.plain(id, token, special));
            }
        }
        boolean begins = addBos == null ? beginsDocument : addBos;
        return new BytePairDefinition(
                vocabulary,
                table,
                options,
                normalizer,
                preTokenizer,
                added,
                bos != null && begins ? withContent(added, bos) : List.of(),
                eos != null && addEos != null && addEos ? withContent(added, eos) : List.of(),
                decoder,
                bos,
                eos);
    }

    private static List<AddedToken> withContent(List<AddedToken> added, String content) {
        return added.stream().filter(token -> token.content().equals(content)).toList();
    }

    private String token(String key, int id) {
        if (id < 0 || id >= tokens.size()) {
            throw new TokenizerException(
                    "tokenizer.ggml." + key + ": found " + id + ", expected 0 to " + (tokens.size() - 1));
        }
        return tokens.get(id);
    }
}
