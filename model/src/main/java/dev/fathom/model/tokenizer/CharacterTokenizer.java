package dev.fathom.model.tokenizer;

import dev.fathom.model.tokenizer.SpecialTokens.SpecialToken;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.TreeSet;
import tools.jackson.databind.node.ObjectNode;

/**
 * One token per character (Unicode code point), and special tokens that are matched first, the longest of those that begin at
 * the same place. The right tokenizer for arithmetic on a small model: digits stay digits.
 *
 * <p>Special tokens come first in the vocabulary, as in DeepSeek's (bos 0, eos 1), then the characters in the order given.
 */
public final class CharacterTokenizer implements Tokenizer {
    private final String[] tokens;
    private final Map<String, Integer> ids;
    private final SpecialTokens special;
    private final int[] idOfCodePoint;
    private final BitSet specialStarts;
    private final List<String> specialLongestFirst;

    /**
     * @param tokens the vocabulary in id order: single characters, and every special token once
     * @throws TokenizerException for a token twice, a special token missing, or a token of several characters that is not special
     */
    CharacterTokenizer(List<String> tokens, SpecialTokens special) {
        this.tokens = tokens.toArray(String[]::new);
        this.special = special;
        this.ids = LinkedHashMap.newLinkedHashMap(tokens.size());
        int highest = 0;
        for (int id = 0; id < this.tokens.length; id++) {
            String token = this.tokens[id];
            if (ids.put(token, id) != null) {
                throw new TokenizerException("token \"" + token + "\" is twice in the vocabulary, at ids "
                        + tokens.indexOf(token) + " and " + id);
            }
            if (special.find(token).isEmpty()) {
                requireCharacter(token, id);
                highest = Math.max(highest, token.codePointAt(0));
            }
        }
        for (SpecialToken token : special.tokens()) {
            if (token.text().codePointCount(0, token.text().length()) < 2) {
                throw new TokenizerException("special token \"" + token.text() + "\": found "
                        + token.text().length() + " characters, expected at least 2");
            }
            if (!ids.containsKey(token.text())) {
                throw new TokenizerException("special token \"" + token.text() + "\" has no id in the vocabulary");
            }
        }
        idOfCodePoint = new int[highest + 1];
        Arrays.fill(idOfCodePoint, -1);
        ids.forEach((token, id) -> {
            if (special.find(token).isEmpty()) {
                idOfCodePoint[token.codePointAt(0)] = id;
            }
        });
        specialStarts = new BitSet();
        special.tokens().forEach(token -> specialStarts.set(token.text().charAt(0)));
        specialLongestFirst = special.tokens().stream()
                .map(SpecialToken::text)
                .sorted(Comparator.comparingInt(String::length).reversed())
                .toList();
    }

    private static void requireCharacter(String token, int id) {
        boolean single = !token.isEmpty() && token.codePointCount(0, token.length()) == 1;
        if (!single || (token.length() == 1 && Character.isSurrogate(token.charAt(0)))) {
            throw new TokenizerException("token \"" + token + "\" (id " + id + "): found " + token.length()
                    + " UTF-16 units, expected one character or a special token");
        }
    }

    /**
     * A tokenizer for the characters of a string, in their order.
     *
     * @param characters every character once, for example {@code "0123456789+-= \n"}
     */
    public static CharacterTokenizer of(String characters, SpecialTokens special) {
        List<String> tokens = new ArrayList<>();
        special.tokens().forEach(token -> tokens.add(token.text()));
        characters.codePoints().forEach(codePoint -> tokens.add(Character.toString(codePoint)));
        return new CharacterTokenizer(tokens, special);
    }

    /** A tokenizer for every character that occurs in the texts (special tokens cut out), in code point order. */
    public static CharacterTokenizer train(Iterable<String> texts, SpecialTokens special) {
        CharacterTokenizer cutter = of("", special);
        TreeSet<Integer> seen = new TreeSet<>();
        for (String text : texts) {
            int at = 0;
            while (at < text.length()) {
                String token = cutter.specialAt(text, at);
                if (token.isEmpty()) {
                    int codePoint = codePointAt(text, at);
                    seen.add(codePoint);
                    at += Character.charCount(codePoint);
                } else {
                    at += token.length();
                }
            }
        }
        StringBuilder characters = new StringBuilder();
        seen.forEach(characters::appendCodePoint);
        return of(characters.toString(), special);
    }

    @Override
    public int[] encode(String text) {
        int[] encoded = new int[text.length()]; // never more tokens than UTF-16 units
        int count = 0;
        int at = 0;
        while (at < text.length()) {
            String token = specialAt(text, at);
            if (!token.isEmpty()) {
                encoded[count++] = ids.getOrDefault(token, -1);
                at += token.length();
                continue;
            }
            int codePoint = codePointAt(text, at);
            int id = codePoint < idOfCodePoint.length ? idOfCodePoint[codePoint] : -1;
            if (id < 0) {
                throw new TokenizerException(
                        "cannot encode " + TextPosition.describe(text, at) + ": it is none of the tokenizer's "
                                + (tokens.length - special.tokens().size()) + " characters");
            }
            encoded[count++] = id;
            at += Character.charCount(codePoint);
        }
        return Arrays.copyOf(encoded, count);
    }

    /** The longest special token at a position, or an empty string. */
    private String specialAt(String text, int at) {
        if (specialStarts.get(text.charAt(at))) {
            for (String token : specialLongestFirst) {
                if (text.startsWith(token, at)) {
                    return token;
                }
            }
        }
        return "";
    }

    private static int codePointAt(String text, int at) {
        int codePoint = text.codePointAt(at);
        if (codePoint >= Character.MIN_SURROGATE && codePoint <= Character.MAX_SURROGATE) {
            throw TextPosition.halfSurrogatePair(text, at);
        }
        return codePoint;
    }

    @Override
    public StreamingDecoder streamingDecoder() {
        return new StreamingDecoder() { // a token is always whole characters
            @Override
            public String add(int id) {
                return token(id);
            }

            @Override
            public String finish() {
                return "";
            }
        };
    }

    @Override
    public int vocabularySize() {
        return tokens.length;
    }

    @Override
    public String token(int id) {
        if (id < 0 || id >= tokens.length) {
            throw new TokenizerException("token id: found " + id + ", expected 0 to " + (tokens.length - 1));
        }
        return tokens[id];
    }

    @Override
    public byte[] bytes(int id) {
        return token(id).getBytes(StandardCharsets.UTF_8);
    }

    @Override
    public OptionalInt id(String token) {
        Integer id = ids.get(token);
        return id == null ? OptionalInt.empty() : OptionalInt.of(id);
    }

    @Override
    public SpecialTokens specialTokens() {
        return special;
    }

    @Override
    public ObjectNode toJson() {
        return CharacterTokenizerJson.write(List.of(tokens), special);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof CharacterTokenizer that
                && Arrays.equals(tokens, that.tokens)
                && special.equals(that.special);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(tokens);
    }

    @Override
    public String toString() {
        return "CharacterTokenizer[" + tokens.length + " tokens]";
    }
}
