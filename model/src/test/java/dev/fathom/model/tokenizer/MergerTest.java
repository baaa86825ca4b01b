package dev.fathom.model.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** The two ways to merge give what the rule says: the pair of the smallest rank, the leftmost of several. */
class MergerTest {
    @Test
    void mergesByRankThenFromTheLeft() {
        SplittableRandom random = new SplittableRandom(61);
        for (int round = 0; round < 3000; round++) {
            int alphabet = random.nextInt(1, 5);
            int merges = random.nextInt(30);
            boolean ties = random.nextBoolean();
            int[] left = new int[merges];
            int[] right = new int[merges];
            int[] rank = new int[merges];
            int[] merged = new int[merges];
            for (int i = 0; i < merges; i++) {
                left[i] = random.nextInt(alphabet + i);
                right[i] = random.nextInt(alphabet + i);
                rank[i] = ties ? random.nextInt(4) : i;
                merged[i] = alphabet + i;
            }
            MergeTable table = new MergeTable(left, right, rank, merged);
            Merger heap = new Merger(table);
            Merger scan = new Merger(table);
            List<Integer> expected = new ArrayList<>();
            int length = random.nextInt(random.nextInt(20) == 0 ? 300 : 20);
            for (int i = 0; i < length; i++) {
                int id = random.nextInt(alphabet);
                heap.add(id);
                scan.add(id);
                expected.add(id);
            }
            while (mergeOnce(expected, table)) {}
            heap.mergeLong();
            scan.mergeShort();
            assertThat(ids(heap)).isEqualTo(expected);
            assertThat(ids(scan)).isEqualTo(expected);
        }
    }

    /** The rule, written out. */
    private static boolean mergeOnce(List<Integer> ids, MergeTable table) {
        int best = -1;
        for (int i = 0; i + 1 < ids.size(); i++) {
            long found = table.find(ids.get(i), ids.get(i + 1));
            if (found != MergeTable.NONE
                    && (best < 0 || found >> 32 < table.find(ids.get(best), ids.get(best + 1)) >> 32)) {
                best = i;
            }
        }
        if (best >= 0) {
            ids.set(best, (int) table.find(ids.get(best), ids.get(best + 1)));
            ids.remove(best + 1);
        }
        return best >= 0;
    }

    private static List<Integer> ids(Merger merger) {
        List<Integer> ids = new ArrayList<>();
        for (int i = 0; i < merger.size(); i++) {
            ids.add(merger.id(i));
        }
        return ids;
    }
}
