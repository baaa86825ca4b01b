package dev.fathom.infer;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.engine.DType;
import dev.fathom.engine.KeyValueStore;
import dev.fathom.engine.Memory;
import dev.fathom.engine.WorkerPool;
import dev.fathom.infer.KeyValueMemory.Span;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Whatever is allocated, grown, moved, taken over and thrown out: a span has the keys and values of its own tokens. */
class KeyValueMemoryTest {
    private static final int TILE = KeyValueStore.TILE;

    /** A span and what should be in it. */
    private static final class Text {
        final Span span;
        final int[] tokens;

        Text(Span span, int[] tokens) {
            this.span = span;
            this.tokens = tokens;
        }
    }

    private static List<KeyValueStore> stores(DType type, int tiles) {
        return List.of(
                KeyValueStore.allocate(type, (long) tiles * TILE, 2, 5, 3),
                KeyValueStore.allocate(type, (long) tiles * TILE, 3, 4, 17));
    }

    /** What stands at a position depends on all tokens up to it, as it does in a model. */
    private static int content(int[] tokens, int position, int layer, int head) {
        int hash = 31 * layer + head;
        for (int i = 0; i <= position; i++) {
            hash = hash * 31 + tokens[i];
        }
        return hash & 0x7f7f7f7f; // finite, whatever it is read as
    }

    /** Addresses of one key number and of one in each end of the value of a position. */
    private static long[] places(KeyValueStore store, long slot, int head) {
        long tile = slot - slot % TILE;
        if (store.data().dtype() == DType.F32) {
            long value = store.valueTile(tile, head) + 4L * store.valueDim() * (slot % TILE);
            return new long[] {store.keyTile(tile, head) + 4 * (slot % TILE), value, value + 4L * (store.valueDim() - 1)
            };
        }
        int panels = store.valueWidth() / TILE;
        long half = slot % 2 * 2;
        return new long[] {
            store.keyTile(tile, head) + 4 * (slot % TILE),
            store.valuePanel(slot - slot % 2, head, 0) + half,
            store.valuePanel(slot - slot % 2, head, panels - 1) + half + 4
        };
    }

    private static void access(List<KeyValueStore> stores, Text text, int from, int to, boolean write) {
        for (int layer = 0; layer < stores.size(); layer++) {
            KeyValueStore store = stores.get(layer);
            for (int head = 0; head < store.heads(); head++) {
                for (int position = from; position < to; position++) {
                    short content = (short) content(text.tokens, position, layer, head);
                    for (long place : places(store, text.span.slot() + position, head)) {
                        if (write) {
                            Memory.ALL.set(Memory.SHORT, place, content);
                        } else {
                            assertThat(Memory.ALL.get(Memory.SHORT, place)).isEqualTo(content);
                        }
                    }
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"F32", "BF16"})
    void aSpanHasWhatItsTokensSay(DType type) {
        try (WorkerPool pool = new WorkerPool(2)) {
            for (int run = 0; run < 40; run++) {
                int tiles = 3 + run;
                List<KeyValueStore> stores = stores(type, tiles);
                KeyValueMemory memory = new KeyValueMemory(stores, pool);
                List<Text> live = new ArrayList<>();
                int reused = 0;
                for (int step = 0; step < 150; step++) {
                    int dice = EngineFixture.pick(run, 4 * step, 10);
                    int number = EngineFixture.pick(run, 4 * step + 1, 1 << 20);
                    if (dice < 3) {
                        int[] tokens = tokens(run, number, 1 + number % (tiles * TILE));
                        Span span = memory.allocate(tokens.length, tokens, tokens.length - 1);
                        assertThat(span == null)
                                .isEqualTo(KeyValueMemory.tiles(tokens.length) > tiles - liveTiles(live));
                        if (span != null) {
                            Text text = new Text(span, tokens);
                            assertThat(span.length()).isLessThan(tokens.length);
                            reused += span.length();
                            live.add(text);
                        }
                    } else if (!live.isEmpty()) {
                        Text text = live.get(number % live.size());
                        if (dice < 7) {
                            int to = Math.min(
                                    text.tokens.length,
                                    text.span.length() + 1 + EngineFixture.pick(run, 4 * step + 2, 60));
                            if (memory.grow(text.span, to)) {
                                access(stores, text, text.span.length(), to, true);
                                memory.fill(text.span, to);
                                memory.publish(text.span, text.tokens, to);
                            }
                        } else if (dice < 9) {
                            live.remove(text);
                            memory.retire(text.span);
                        } else {
                            live.remove(text);
                            memory.discard(text.span);
                        }
                    }
                    check(memory, stores, live, tiles);
                }
                if (tiles > 20) {
                    assertThat(reused).isPositive();
                }
            }
        }
    }

    /** Texts that often begin like others. */
    private static int[] tokens(int run, int number, int length) {
        int[] tokens = new int[length];
        for (int i = 0; i < length; i++) {
            int kind = i < 40 ? number % 3 : i < 80 ? number % 9 : number;
            tokens[i] = EngineFixture.pick(run * 1000L + kind, i, 50);
        }
        return tokens;
    }

    private static int liveTiles(List<Text> live) {
        return live.stream().mapToInt(text -> text.span.positions() / TILE).sum();
    }

    private static void check(KeyValueMemory memory, List<KeyValueStore> stores, List<Text> live, int tiles) {
        boolean[] taken = new boolean[tiles];
        for (Text text : live) {
            access(stores, text, Math.max(0, text.span.length() - 40), text.span.length(), false);
            access(stores, text, 0, Math.min(20, text.span.length()), false);
            int begin = (int) (text.span.slot() / TILE);
            for (int tile = begin; tile < begin + text.span.positions() / TILE; tile++) {
                assertThat(taken[tile]).isFalse();
                taken[tile] = true;
            }
        }
        assertThat(memory.positionsOf(true) + memory.positionsOf(false)).isLessThanOrEqualTo(memory.positions());
        assertThat(memory.available()).isEqualTo(tiles - liveTiles(live));
    }

    @Test
    void theLeastRecentlyUsedGoesFirst() {
        try (WorkerPool pool = new WorkerPool(1)) {
            KeyValueMemory memory = new KeyValueMemory(stores(DType.F32, 8), pool);
            int[][] texts = new int[5][33];
            for (int i = 0; i < 5; i++) {
                Arrays.fill(texts[i], i);
                if (i < 4) {
                    fill(memory, texts[i]);
                }
            }
            assertThat(known(memory, texts[0])).isEqualTo(32);
            // 0 was used just now, so 1 makes room.
            fill(memory, texts[4]);
            assertThat(known(memory, texts[0])).isEqualTo(32);
            assertThat(known(memory, texts[1])).isZero();
        }
    }

    private static void fill(KeyValueMemory memory, int[] tokens) {
        Span span = memory.allocate(32, tokens, 32);
        memory.fill(span, 32);
        memory.publish(span, tokens, 32);
        memory.retire(span);
    }

    private static int known(KeyValueMemory memory, int[] tokens) {
        Span span = memory.allocate(32, tokens, 32);
        int known = span.length();
        if (known == 0) {
            memory.discard(span);
        } else {
            memory.retire(span);
        }
        return known;
    }
}
