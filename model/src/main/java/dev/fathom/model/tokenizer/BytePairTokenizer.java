package dev.fathom.model.tokenizer;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/**
 * The tokenizer of every released DeepSeek, Qwen and Llama model: added tokens are found first, what lies between is
 * normalized and split into words, and inside a word byte pairs merge. The same ids as Hugging Face {@code tokenizers} 0.2x
 * gives for the same {@code tokenizer.json}.
 *
 * <p>Where it differs: text that has no token at all is an error there is no way back from (the original drops it), and added
 * tokens decode to themselves (the original runs them through the decoder, too).
 */
public final class BytePairTokenizer implements Tokenizer {
    private final BytePairDefinition definition;
    private final BytePairModel model;

    /** Added tokens that are searched in the text as it is, and those searched in the normalized text. */
    private final AddedTokenMatcher plainTokens;

    private final @Nullable AddedTokenMatcher normalizedTokens;

    private final Map<String, Integer> addedIds = new HashMap<>();
    private final BitSet isAdded = new BitSet();
    private final int size;

    /** The bytes of all tokens one after another; those of token i begin at {@code offsets[i]}. */
    private final byte[] bytes;

    private final int[] offsets;
    private final SpecialTokens special;

    BytePairTokenizer(BytePairDefinition definition) {
        this.definition = definition;
        this.model = new BytePairModel(definition.vocabulary(), definition.merges(), definition.options());
        Normalizer normalizer = definition.normalizer();
        plainTokens = new AddedTokenMatcher(
                definition.added().stream().filter(token -> !token.normalized()).toList(), content -> content);
        List<AddedToken> normalized =
                definition.added().stream().filter(AddedToken::normalized).toList();
        normalizedTokens = normalized.isEmpty()
                ? null
                : new AddedTokenMatcher(normalized, normalizer == null ? content -> content : normalizer::apply);
        int highest = definition.vocabulary().size() - 1;
        Map<Integer, String> addedById = new HashMap<>();
        for (AddedToken token : definition.added()) {
            addedIds.put(token.content(), token.id());
            addedById.put(token.id(), token.content());
            isAdded.set(token.id());
            highest = Math.max(highest, token.id());
        }
        size = highest + 1;
        offsets = new int[size + 1];
        byte[] all = new byte[8 * size];
        for (int id = 0; id < size; id++) {
            String added = addedById.get(id);
            String token = definition.vocabulary().find(id);
            byte[] own = added != null
                    ? added.getBytes(StandardCharsets.UTF_8)
                    : token == null ? new byte[0] : definition.decoder().bytes(token);
            if (offsets[id] + own.length > all.length) {
                all = Arrays.copyOf(all, 2 * all.length + own.length);
            }
            System.arraycopy(own, 0, all, offsets[id], own.length);
            offsets[id + 1] = offsets[id] + own.length;
        }
        bytes = Arrays.copyOf(all, offsets[size]);
        special = new SpecialTokens(
                definition.added().stream()
                        .map(token -> new SpecialTokens.SpecialToken(token.content(), token.special()))
                        .toList(),
                definition.bos(),
                definition.eos());
    }

    BytePairDefinition definition() {
        return definition;
    }

    /** Number of pairs of tokens that merge. */
    public int mergeCount() {
        return definition.merges().size();
    }

    @Override
    public int[] encode(String text) {
        BytePairModel.Encoder encoder = model.new Encoder(text.length() / 3);
        encode(text, encoder);
        return encoder.ids();
    }

    @Override
    public int[] encodeDocument(String text) {
        BytePairModel.Encoder encoder = model.new Encoder(text.length() / 3);
        definition.before().forEach(token -> encoder.add(token.id()));
        encode(text, encoder);
        definition.after().forEach(token -> encoder.add(token.id()));
        return encoder.ids();
    }

    private void encode(String text, BytePairModel.Encoder encoder) {
        PreTokenizer preTokenizer = definition.preTokenizer();
        Words words =
                preTokenizer == null ? encoder : (piece, from, to) -> preTokenizer.split(piece, from, to, encoder);
        AddedTokenMatcher second = normalizedTokens;
        Words pieces = second == null ? words : (piece, from, to) -> second.split(piece, from, to, words, encoder::add);
        Normalizer normalizer = definition.normalizer();
        Words normalized = normalizer == null
                ? pieces
                : (piece, from, to) -> {
                    String result = normalizer.apply(piece.substring(from, to));
                    if (!result.isEmpty()) {
                        pieces.accept(result, 0, result.length());
                    }
                };
        plainTokens.split(text, 0, text.length(), normalized, encoder::add);
    }

    @Override
    public StreamingDecoder streamingDecoder() {
        return new Decoder();
    }

    private final class Decoder implements StreamingDecoder {
        private final Utf8Stream utf8 = new Utf8Stream();
        private int spacesToStrip = definition.decoder().strippedSpaces();

        @Override
        public String add(int id) {
            requireToken(id);
            return strip(utf8.add(bytes, offsets[id], offsets[id + 1]));
        }

        @Override
        public String finish() {
            String rest = strip(utf8.finish());
            spacesToStrip = definition.decoder().strippedSpaces();
            return rest;
        }

        private String strip(String text) {
            int from = 0;
            while (spacesToStrip > 0 && from < text.length()) {
                if (text.charAt(from) == ' ') {
                    from++;
                    spacesToStrip--;
                } else {
                    spacesToStrip = 0;
                }
            }
            return text.substring(from);
        }
    }

    @Override
    public int vocabularySize() {
        return size;
    }

    @Override
    public String token(int id) {
        requireToken(id);
        if (isAdded.get(id)) {
            return new String(bytes, offsets[id], offsets[id + 1] - offsets[id], StandardCharsets.UTF_8);
        }
        String token = definition.vocabulary().find(id);
        return token == null ? "" : token;
    }

    @Override
    public byte[] bytes(int id) {
        requireToken(id);
        return Arrays.copyOfRange(bytes, offsets[id], offsets[id + 1]);
    }

    private void requireToken(int id) {
        if (id < 0 || id >= size) {
            throw new TokenizerException("token id: found " + id + ", expected 0 to " + (size - 1));
        }
    }

    @Override
    public OptionalInt id(String token) {
        Integer added = addedIds.get(token);
        int id = added != null ? added : definition.vocabulary().id(token);
        return id < 0 ? OptionalInt.empty() : OptionalInt.of(id);
    }

    @Override
    public SpecialTokens specialTokens() {
        return special;
    }

    @Override
    public boolean isSpecial(int id) {
        return isAdded.get(id);
    }

    @Override
    public ObjectNode toJson() {
        return BytePairJson.write(definition);
    }

    @Override
    public String toString() {
        return "BytePairTokenizer[" + size + " tokens, " + definition.merges().size() + " merges]";
    }
}
