package dev.fathom.model.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

class BytePairTrainerTest {
    @Test
    void learnsTheMostFrequentPairsFirst() {
        BytePairTokenizer tokenizer = new BytePairTrainer(6 + 256 + 3, SpecialTokens.REASONING)
                .add("low low low lower lower <think>z</think>")
                .train();
        assertThat(tokenizer.token(6)).isEqualTo("!");
        assertThat(tokenizer.token(262)).isEqualTo("lo");
        assertThat(tokenizer.token(263)).isEqualTo("low");
        assertThat(tokenizer.token(264)).isEqualTo("\u0120low");
        assertThat(tokenizer.encode("low")).containsExactly(263);
        assertThat(tokenizer.mergeCount()).isEqualTo(3);
    }

    @Test
    void stopsWhereNothingOccursTwice() {
        BytePairTokenizer tokenizer =
                new BytePairTrainer(1000, SpecialTokens.NONE).add("abab cd").train();
        assertThat(tokenizer.vocabularySize()).isEqualTo(257);
        assertThat(new BytePairTrainer(300, SpecialTokens.NONE).train().vocabularySize())
                .isEqualTo(256);
        assertThatThrownBy(() -> new BytePairTrainer(261, SpecialTokens.REASONING))
                .isInstanceOf(TokenizerException.class)
                .hasMessage("vocabulary size: found 261, expected at least 262: 256 bytes and 6 special tokens");
    }

    /** Against the rule, written out: count all pairs of all words anew before every merge. */
    @Test
    void learnsWhatTheRuleSays() {
        SplittableRandom random = new SplittableRandom(71);
        for (int round = 0; round < 30; round++) {
            StringBuilder text = new StringBuilder();
            for (int i = random.nextInt(200); i > 0; i--) {
                text.append("abc ".charAt(random.nextInt(4)));
            }
            BytePairTokenizer tokenizer = new BytePairTrainer(256 + 40, SpecialTokens.NONE)
                    .add(text.toString())
                    .train();
            MergeTable merges = tokenizer.definition().merges();
            List<String> learned = new ArrayList<>();
            for (int i = 0; i < merges.size(); i++) {
                learned.add(tokenizer.token(merges.left(i)) + " " + tokenizer.token(merges.right(i)));
            }
            assertThat(learned).as(text.toString()).isEqualTo(slowly(text.toString(), tokenizer, 296));
        }
    }

    private static List<String> slowly(String text, BytePairTokenizer tokenizer, int size) {
        List<List<String>> words = new ArrayList<>();
        tokenizer.definition().preTokenizer().split(text, 0, text.length(), (piece, from, to) -> {
            List<String> symbols = new ArrayList<>();
            ByteAlphabet.spell(piece.substring(from, to)).chars().forEach(c -> symbols.add("" + (char) c));
            words.add(symbols);
        });
        Map<String, Integer> ids = new HashMap<>();
        for (int id = 0; id < 256; id++) {
            ids.put(tokenizer.token(id), id);
        }
        List<String> merges = new ArrayList<>();
        while (ids.size() < size) {
            // Keys sort by ids, so that of equally frequent pairs the first is the one with the smaller ids.
            Map<Long, Integer> counts = new TreeMap<>();
            Map<Long, String> names = new HashMap<>();
            for (List<String> word : words) {
                for (int i = 0; i + 1 < word.size(); i++) {
                    long key = (long) ids.get(word.get(i)) << 32 | ids.get(word.get(i + 1));
                    counts.merge(key, 1, Integer::sum);
                    names.put(key, word.get(i) + " " + word.get(i + 1));
                }
            }
            long best = -1;
            for (long key : counts.keySet()) {
                best = counts.get(key) > counts.getOrDefault(best, 1) ? key : best;
            }
            if (best < 0) {
                break;
            }
            String[] pair = names.get(best).split(" ", -1);
            merges.add(names.get(best));
            ids.putIfAbsent(pair[0] + pair[1], ids.size());
            for (List<String> word : words) {
                for (int i = 0; i + 1 < word.size(); i++) {
                    if (word.get(i).equals(pair[0]) && word.get(i + 1).equals(pair[1])) {
                        word.set(i, pair[0] + pair[1]);
                        word.remove(i + 1);
                    }
                }
            }
        }
        return merges;
    }
}
