package dev.fathom.model.tokenizer;

import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** Finds added tokens in a text: leftmost first, and of those that begin at the same place the longest. */
final class AddedTokenMatcher {
    /** Takes the ids that are found. */
    interface Tokens {
        void accept(int id);
    }

    /** A node of the tree of all contents. */
    private static final class Node {
        private final Map<Character, Node> next = new HashMap<>();
        private final int depth;
        private @Nullable AddedToken token;

        Node(int depth) {
            this.depth = depth;
        }
    }

    private final Node root = new Node(0);
    private final BitSet firstCharacters = new BitSet();

    /** @param spelling how a token's content is written in the texts that are searched, for example normalized */
    AddedTokenMatcher(List<AddedToken> tokens, UnaryOperator<String> spelling) {
        for (AddedToken token : tokens) {
            String content = spelling.apply(token.content());
            if (content.isEmpty()) {
                continue;
            }
            firstCharacters.set(content.charAt(0));
            Node node = root;
            for (int i = 0; i < content.length(); i++) {
                int depth = i + 1;
                node = node.next.computeIfAbsent(content.charAt(i), c -> new Node(depth));
            }
            node.token = token;
        }
    }

    /** Cuts a text at the tokens in it; what is found and what lies between comes out in order. */
    void split(String text, int from, int to, Words between, Tokens found) {
        int done = from;
        int at = from;
        while (at < to) {
            Node match = firstCharacters.get(text.charAt(at)) ? longestAt(text, at, to) : root;
            AddedToken token = match.token;
            if (token == null) {
                at++;
                continue;
            }
            int start = at;
            int end = at + match.depth;
            at = end;
            if (token.singleWord()
                    && ((start > from && isWord(Character.codePointBefore(text, start)))
                            || (end < to && isWord(Unicode.codePointAt(text, end, to))))) {
                continue;
            }
            if (token.leftStrip()) {
                while (start > done && isSpace(text.charAt(start - 1))) {
                    start--;
                }
            }
            if (token.rightStrip()) {
                while (end < to && isSpace(text.charAt(end))) {
                    end++;
                }
            }
            if (start > done) {
                between.accept(text, done, start);
            }
            found.accept(token.id());
            done = end;
        }
        if (to > done) {
            between.accept(text, done, to);
        }
    }

    /** Where the longest token at a position ends in the tree, or the root. */
    private Node longestAt(String text, int at, int to) {
        Node longest = root;
        Node node = root;
        for (int i = at; i < to; i++) {
            node = node.next.get(text.charAt(i));
            if (node == null) {
                break;
            }
            if (node.token != null) {
                longest = node;
            }
        }
        return longest;
    }

    private static boolean isSpace(char c) {
        return (Unicode.classes(c) & Unicode.SPACE) != 0;
    }

    /** {@code \w}: letters, marks, decimal digits, connecting punctuation, and what Unicode adds. */
    private static boolean isWord(int codePoint) {
        int category = Character.getType(codePoint);
        return Character.isAlphabetic(codePoint)
                || (Unicode.classes(codePoint) & Unicode.MARK) != 0
                || category == Character.DECIMAL_DIGIT_NUMBER
                || category == Character.CONNECTOR_PUNCTUATION
                || codePoint == 0x200c
                || codePoint == 0x200d;
    }
}
