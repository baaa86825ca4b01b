package dev.fathom.model.tokenizer;

import dev.fathom.model.tokenizer.PreTokenizer.ByteLevel;
import dev.fathom.model.tokenizer.PreTokenizer.Sequence;
import dev.fathom.model.tokenizer.PreTokenizer.Split;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Learns a byte-level BPE vocabulary from text: begin with the 256 bytes, and again and again make the most frequent pair of
 * neighbours a token (Sennrich et al., arXiv 1508.07909). Text is split as for DeepSeek-V3, and pairs do not reach across
 * words. Special tokens come first in the vocabulary, as in DeepSeek's, then the bytes, then the merges.
 *
 * <p>The same text gives the same vocabulary: of equally frequent pairs the one with the smaller ids goes first.
 */
public final class BytePairTrainer {
    /** A pair that occurs once is no rule. */
    private static final long MINIMUM_FREQUENCY = 2;

    private static final PreTokenizer SPLIT = new Sequence(List.of(
            Split.regex(Scanner.DEEPSEEK3_NUMBERS),
            Split.regex(Scanner.DEEPSEEK3_HAN),
            Split.regex(Scanner.DEEPSEEK3_WORDS),
            new ByteLevel(false, false)));

    private final int vocabularySize;
    private final SpecialTokens special;
    private final AddedTokenMatcher specialMatcher;
    private final List<AddedToken> added = new ArrayList<>();
    private final Map<String, long[]> wordCounts = new LinkedHashMap<>();

    /**
     * @param vocabularySize number of tokens to end with, at least 256 and the special tokens; fewer come out of a text that
     *     has nothing more to merge
     */
    public BytePairTrainer(int vocabularySize, SpecialTokens special) {
        int least = special.tokens().size() + 256;
        if (vocabularySize < least) {
            throw new TokenizerException("vocabulary size: found " + vocabularySize + ", expected at least " + least
                    + ": 256 bytes and " + special.tokens().size() + " special tokens");
        }
        this.vocabularySize = vocabularySize;
        this.special = special;
        for (SpecialTokens.SpecialToken token : special.tokens()) {
            added.add(AddedToken.plain(added.size(), token.text(), token.control()));
        }
        this.specialMatcher = new AddedTokenMatcher(added, content -> content);
    }

    /** Counts the words of a text. Special tokens in it are not learned from. */
    public BytePairTrainer add(String text) {
        Words count =
                (piece, from, to) -> wordCounts.computeIfAbsent(piece.substring(from, to), word -> new long[1])[0]++;
        specialMatcher.split(
                text, 0, text.length(), (piece, from, to) -> SPLIT.split(piece, from, to, count), id -> {});
        return this;
    }

    /** Learns from all text added so far. */
    public BytePairTokenizer train() {
        return new Learning().run();
    }

    /** How often a pair occurs, and in which words; a word may be listed that has lost the pair since. */
    private static final class Pair {
        private long count;
        private int[] words = new int[4];
        private int size;

        /** Lists a word; a word may be listed twice. */
        void list(int word) {
            if (size > 0 && words[size - 1] == word) {
                return;
            }
            if (size == words.length) {
                words = Arrays.copyOf(words, 2 * size);
            }
            words[size++] = word;
        }
    }

    /** A pair with the count it had when it was queued. */
    private record Candidate(long count, long pair) implements Comparable<Candidate> {
        @Override
        public int compareTo(Candidate other) {
            int byCount = Long.compare(other.count, count);
            return byCount != 0 ? byCount : Long.compare(pair, other.pair);
        }
    }

    private final class Learning {
        private final List<@Nullable String> tokens = new ArrayList<>();
        private final Map<String, Integer> ids = new HashMap<>();
        private final List<int[]> words = new ArrayList<>();
        private final long[] counts = new long[wordCounts.size()];
        private final Map<Long, Pair> pairs = new HashMap<>();
        private final PriorityQueue<Candidate> queue = new PriorityQueue<>();

        /** Pairs whose count went up while one merge was carried out. */
        private final Set<Long> risen = new HashSet<>();

        BytePairTokenizer run() {
            added.forEach(token -> addToken(token.content()));
            char[] alphabet = new char[256];
            for (int b = 0; b < 256; b++) {
                alphabet[b] = ByteAlphabet.character(b);
            }
            Arrays.sort(alphabet);
            for (char c : alphabet) {
                addToken(String.valueOf(c));
            }
            wordCounts.forEach((word, count) -> {
                String spelled = ByteAlphabet.spell(word);
                counts[words.size()] = count[0];
                words.add(spelled.chars()
                        .map(c -> ids.getOrDefault(String.valueOf((char) c), -1))
                        .toArray());
            });
            for (int word = 0; word < words.size(); word++) {
                int[] symbols = words.get(word);
                for (int i = 0; i + 1 < symbols.length; i++) {
                    Pair pair = pair(symbols[i], symbols[i + 1]);
                    pair.count += counts[word];
                    pair.list(word);
                }
            }
            pairs.forEach((key, pair) -> queue.add(new Candidate(pair.count, key)));
            List<long[]> merges = learn();
            Vocabulary vocabulary = new Vocabulary(tokens);
            MergeTableBuilder table = new MergeTableBuilder(vocabulary, merges.size());
            for (int rank = 0; rank < merges.size(); rank++) {
                long[] merge = merges.get(rank);
                table.add(left(merge[0]), right(merge[0]), (int) merge[1], rank);
            }
            return new BytePairTokenizer(new BytePairDefinition(
                    vocabulary,
                    table.build(),
                    BytePairModel.Options.BYTE_LEVEL,
                    null,
                    SPLIT,
                    added,
                    List.of(),
                    List.of(),
                    TokenDecoder.BYTE_LEVEL,
                    special.bos(),
                    special.eos()));
        }

        /** The merges in their order, each with the id it makes. */
        private List<long[]> learn() {
            List<long[]> merges = new ArrayList<>();
            while (tokens.size() < vocabularySize) {
                Candidate best = queue.poll();
                if (best == null || best.count < MINIMUM_FREQUENCY) {
                    break;
                }
                Pair pair = pairs.get(best.pair);
                if (pair == null || pair.count != best.count) {
                    if (pair != null && pair.count > 0) {
                        queue.add(new Candidate(pair.count, best.pair));
                    }
                    continue;
                }
                String merged = tokens.get(left(best.pair)) + tokens.get(right(best.pair));
                // Two pairs may spell the same token, or a special one.
                Integer known = ids.get(merged);
                int id = known != null ? known : addToken(merged);
                merges.add(new long[] {best.pair, id});
                pairs.remove(best.pair);
                merge(best.pair, id, pair);
            }
            return merges;
        }

        private void merge(long key, int id, Pair pair) {
            risen.clear();
            for (int i = 0; i < pair.size; i++) {
                int word = pair.words[i];
                int[] symbols = words.get(word);
                int[] shorter = replace(symbols, left(key), right(key), id);
                if (shorter.length == symbols.length) {
                    continue;
                }
                for (int at = 0; at + 1 < symbols.length; at++) {
                    Pair lost = pairs.get(key(symbols[at], symbols[at + 1]));
                    if (lost != null) {
                        lost.count -= counts[word];
                    }
                }
                for (int at = 0; at + 1 < shorter.length; at++) {
                    long gained = key(shorter[at], shorter[at + 1]);
                    Pair grown = pair(shorter[at], shorter[at + 1]);
                    grown.count += counts[word];
                    if (shorter[at] == id || shorter[at + 1] == id) {
                        grown.list(word);
                        risen.add(gained);
                    }
                }
                words.set(word, shorter);
            }
            for (long gained : risen) {
                Pair now = pairs.get(gained);
                if (now != null && now.count > 0) {
                    queue.add(new Candidate(now.count, gained));
                }
            }
        }

        private static int[] replace(int[] symbols, int left, int right, int id) {
            int[] result = new int[symbols.length];
            int size = 0;
            for (int at = 0; at < symbols.length; at++) {
                boolean found = symbols[at] == left && at + 1 < symbols.length && symbols[at + 1] == right;
                result[size++] = found ? id : symbols[at];
                at += found ? 1 : 0;
            }
            return size == symbols.length ? symbols : Arrays.copyOf(result, size);
        }

        private int addToken(String token) {
            ids.put(token, tokens.size());
            tokens.add(token);
            return tokens.size() - 1;
        }

        private Pair pair(int left, int right) {
            return pairs.computeIfAbsent(key(left, right), key -> new Pair());
        }

        private static long key(int left, int right) {
            return (long) left << 32 | right;
        }

        private static int left(long key) {
            return (int) (key >>> 32);
        }

        private static int right(long key) {
            return (int) key;
        }
    }
}
