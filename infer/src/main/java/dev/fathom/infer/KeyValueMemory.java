package dev.fathom.infer;

import dev.fathom.engine.KeyValueStore;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.WorkerPool;
import dev.fathom.model.LanguageModel;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The memory for keys and values, divided among sequences that grow. Attention walks consecutive positions, so a sequence has one
 * <i>span</i> of them, and spans lie in all layers alike. What lies between two spans is room for the first to grow into; where there is none
 * left, spans are moved so that every growing one has its share of what is free.
 *
 * <p>The span of a sequence that ended stays until its room is needed, the least recently used first: a prompt that begins with the same
 * tokens takes its keys and values from there. They are what computing them again would give, to the bit, because a row does not depend on the
 * batch it is in. That is for prompts: what a released model computes for a token it generated may differ in the last bits from what it would
 * compute for the same token of a prompt ({@link dev.fathom.model.Batch#generated}), so responses are not published.
 *
 * <p>All sizes here are in tiles of {@link KeyValueStore#TILE} positions, unless they are called positions.
 */
final class KeyValueMemory {
    private static final int TILE = KeyValueStore.TILE;

    private final List<KeyValueStore> stores;
    private final WorkerPool pool;
    private final int capacity;

    /** By their place. */
    private final List<Span> spans = new ArrayList<>();

    private final PrefixIndex index = new PrefixIndex();
    private int used;
    private long clock;
    private long movedPositions;

    /** Consecutive positions. */
    static final class Span {
        private int begin;
        private int tiles;
        private int[] tokens = new int[0];
        private int length;
        private int filled;
        private int indexed;
        private long hash;
        private boolean live = true;
        private long lastUse;

        /** First position, the same in every layer. */
        long slot() {
            return (long) begin * TILE;
        }

        /** Positions there is room for. */
        int positions() {
            return tiles * TILE;
        }

        /** The tokens whose keys and values others may copy, and perhaps more. */
        int[] tokens() {
            return tokens;
        }

        /** How many they are. */
        int length() {
            return length;
        }

        /** How many of them are in the {@link PrefixIndex}. */
        int indexed() {
            return indexed;
        }

        /** The hash of those. */
        long hash() {
            return hash;
        }

        void setIndexed(int tokens, long hashOfThem) {
            indexed = tokens;
            hash = hashOfThem;
        }
    }

    /** @param stores of all layers, of the same number of positions */
    KeyValueMemory(List<KeyValueStore> stores, WorkerPool pool) {
        this.stores = stores;
        this.pool = pool;
        this.capacity = Math.toIntExact(stores.getFirst().slots() / TILE);
    }

    /** Memory that one position takes in all layers of a model, that of multi-token prediction included. */
    static long bytesPerPosition(LanguageModel model) {
        Tensor tile = model.allocateKeyValues(TILE).data();
        int layers = model.numHiddenLayers() + (model.predictsMultipleTokens() ? 1 : 0);
        return layers * tile.size() * tile.dtype().bytes() / TILE;
    }

    static int tiles(int positions) {
        return (positions + TILE - 1) / TILE;
    }

    /** Positions in all. */
    long positions() {
        return (long) capacity * TILE;
    }

    /** Positions of sequences under way, or of those that ended. */
    long positionsOf(boolean live) {
        return spans.stream()
                        .filter(span -> span.live == live)
                        .mapToLong(span -> span.tiles)
                        .sum()
                * TILE;
    }

    /** Positions that were copied, for measurements. */
    long movedPositions() {
        return movedPositions;
    }

    /** Tiles that growing spans could still get. */
    int available() {
        return capacity
                - spans.stream()
                        .filter(span -> span.live)
                        .mapToInt(span -> span.tiles)
                        .sum();
    }

    /**
     * Room for a new sequence, with the keys and values of as much of its beginning as is known.
     *
     * @param positions for which there must be room, at least {@code known}
     * @param tokens of the sequence
     * @param known most tokens to take from the cache; 0 not to look
     * @return a span whose {@link Span#length} tokens are there already, or null if there is not enough room
     */
    @Nullable
    Span allocate(int positions, int[] tokens, int known) {
        int wanted = tiles(positions);
        if (wanted > available()) {
            return null;
        }
        PrefixIndex.Match match = index.find(tokens, known);
        if (match == null) {
            makeFree(wanted);
            return place(wanted);
        }
        Span source = match.span();
        source.lastUse = ++clock;
        if (!source.live && match.length() == source.length) {
            source.live = true; // it becomes the new sequence's: nothing to copy
            grow(source, positions);
            return source;
        }
        makeFree(wanted); // throws the source out last
        Span span = place(wanted);
        if (spans.contains(source)) {
            copy(source.begin, span.begin, tiles(match.length()));
            fill(span, match.length());
            publish(span, tokens, match.length());
        }
        return span;
    }

    /** Makes room for so many positions in a span, wherever it then lies; false if there is none. */
    boolean grow(Span span, int positions) {
        int more = tiles(positions) - span.tiles;
        if (more <= 0) {
            return true;
        }
        if (more > available()) {
            return false;
        }
        if (room(span) < span.tiles + more) {
            makeFree(more);
        }
        used += more;
        span.tiles += more;
        if (room(span) < span.tiles) {
            spread();
        }
        return true;
    }

    /** Says that this many positions have keys and values. */
    void fill(Span span, int positions) {
        span.filled = positions;
    }

    /**
     * Says that the keys and values of the first {@code length} tokens are there now: others may copy them.
     *
     * @param tokens of which the first {@code length} will not change any more
     */
    void publish(Span span, int[] tokens, int length) {
        if (length > span.length) {
            span.tokens = tokens;
            span.length = length;
            index.add(span);
        }
    }

    /** Its sequence has ended; what was published stays as long as there is room. */
    void retire(Span span) {
        span.live = false;
        span.lastUse = ++clock;
        span.filled = span.length;
        int kept = tiles(span.length);
        used -= span.tiles - kept;
        span.tiles = kept;
        if (kept == 0) {
            spans.remove(span);
        }
    }

    /** Forgets a span at once. */
    void discard(Span span) {
        index.remove(span);
        used -= span.tiles;
        spans.remove(span);
    }

    /** Throws out what was used longest ago until so many tiles are free, which is possible ({@link #available}). */
    private void makeFree(int tiles) {
        if (capacity - used >= tiles) {
            return;
        }
        // A little more than asked for, so that the next to grow need not come here again.
        int enough = Math.min(tiles + capacity / 32, available());
        List<Span> retired = new ArrayList<>(spans);
        retired.removeIf(span -> span.live);
        retired.sort(Comparator.comparingLong(span -> span.lastUse));
        for (Span span : retired) {
            if (capacity - used < enough) {
                discard(span);
            }
        }
    }

    /** Tiles from a span's beginning to the next span. */
    private int room(Span span) {
        int next = spans.indexOf(span) + 1;
        return (next < spans.size() ? spans.get(next).begin : capacity) - span.begin;
    }

    /** A new span of so many tiles, which must be free: in the largest gap, in the middle of what a growing neighbour leaves, or behind all others. */
    private Span place(int tiles) {
        int at = 0;
        int largest = -1;
        int end = 0;
        for (int i = 0; i <= spans.size(); i++) {
            int gap = (i < spans.size() ? spans.get(i).begin : capacity) - end;
            if (gap > largest) {
                largest = gap;
                at = i;
            }
            end = i < spans.size() ? spans.get(i).begin + spans.get(i).tiles : capacity;
        }
        Span span = new Span();
        span.tiles = tiles;
        used += tiles;
        if (largest >= tiles) {
            Span before = at == 0 ? null : spans.get(at - 1);
            int start = before == null ? 0 : before.begin + before.tiles;
            span.begin = start + (before != null && before.live ? (largest - tiles) / 2 : 0);
            spans.add(at, span);
        } else {
            span.begin = capacity; // nowhere yet
            spans.add(span);
            spread();
        }
        return span;
    }

    /** Moves spans, in their order, so that all growing ones have the same room behind them. */
    private void spread() {
        int growing = 0;
        for (Span span : spans) {
            growing += span.live ? 1 : 0;
        }
        int share = growing == 0 ? 0 : (capacity - used) / growing;
        int[] targets = new int[spans.size()];
        int at = 0;
        for (int i = 0; i < targets.length; i++) {
            targets[i] = at;
            at += spans.get(i).tiles + (spans.get(i).live ? share : 0);
        }
        // What moves down goes first to last, what moves up last to first: as the order stays, nothing is overwritten
        // that has yet to move.
        for (int i = 0; i < targets.length; i++) {
            if (targets[i] < spans.get(i).begin) {
                move(spans.get(i), targets[i]);
            }
        }
        for (int i = targets.length - 1; i >= 0; i--) {
            if (targets[i] > spans.get(i).begin) {
                move(spans.get(i), targets[i]);
            }
        }
    }

    private void move(Span span, int to) {
        if (span.begin < capacity) {
            copy(span.begin, to, tiles(span.filled));
        }
        span.begin = to;
    }

    private void copy(int from, int to, int tiles) {
        movedPositions += (long) tiles * TILE;
        pool.run(
                stores.size(),
                (layer, worker) -> stores.get(layer).copy((long) from * TILE, (long) to * TILE, (long) tiles * TILE));
    }
}
