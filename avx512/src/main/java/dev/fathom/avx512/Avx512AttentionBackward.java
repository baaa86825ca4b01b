package dev.fathom.avx512;

import static dev.fathom.engine.Memory.ALL;
import static dev.fathom.engine.Memory.ORDER;

import dev.fathom.avx512.Avx512Attention.Keys;
import dev.fathom.avx512.Avx512Attention.Rows;
import dev.fathom.engine.Bfloat16;
import dev.fathom.engine.DType;
import dev.fathom.engine.KeyValueStore;
import dev.fathom.engine.Lanes;
import dev.fathom.engine.Memory;
import dev.fathom.engine.WorkerPool;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * The backward pass of {@link Avx512Attention} for one sequence and key/value head, a block of queries at a time (after FlashAttention, arXiv 2205.14135):
 *
 * <pre>{@code
 * P  = exp(scale Q K^T - logSumExp)        dP = dO V^T        D = rowsum(dO * O)
 * dS = scale P * (dP - D)
 * dQ = dS K         dK += dS^T Q        dV += P^T dO
 * }</pre>
 *
 * Scores and dP reduce over dimensions, dQ over positions, dK and dV over queries; so keys, values, queries and dO are needed in pairs along two
 * directions each. What depends on the sequence alone is turned once ({@link #load}). Gradients of keys and values are
 * chains that go on from block to block where they belong.
 */
final class Avx512AttentionBackward {
    private static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_512;
    private static final VectorSpecies<Integer> INTS = IntVector.SPECIES_512;
    private static final VectorSpecies<Short> SHORTS = ShortVector.SPECIES_256;

    private static final int TILE = KeyValueStore.TILE;
    private static final int STRIP = Avx512Attention.STRIP;
    private static final long VECTOR = Avx512Attention.VECTOR;

    private final Keys keys;
    private final int rows;
    private final int tiles;
    private final int keyDim;
    private final int valueDim;
    private final int height;
    private final long scoreRow;
    private final Panels keyPanels;
    private final Panels valuePanels;

    private final long lanes;
    private final long parameters;
    /** The keys in pairs along positions, panels of {@code [tiles * 8][keyDim]}; the values along dimensions, {@code [tiles][valueWidth / 2][16]}. */
    private final long keyPairs;

    private final long valueTiles;
    /** {@code [height][keyWidth]} bf16, and in pairs along the rows {@code [height / 2][keyWidth]}. */
    private final long queries;

    private final long queryPairs;
    /** dO: {@code [height][valueDim]} bf16, and in pairs along the rows, panels of {@code [height / 2][valueDim]}. */
    private final long gradients;

    private final long gradientPairs;
    /** {@code [height][tiles * 16]}, later P and dS. */
    private final long scores;

    private final long dWeights;
    /** P and dS in pairs along the rows, {@code [tiles][height / 2][16]}. */
    private final long weightPairs;

    private final long dScorePairs;

    Avx512AttentionBackward(WorkerPool pool, int worker, Keys keys, int rows) {
        this.keys = keys;
        this.rows = rows;
        this.tiles = (rows + TILE - 1) / TILE;
        this.keyDim = keys.store().keyDim();
        this.valueDim = keys.store().valueDim();
        this.height = Avx512Attention.blockRows(tiles);
        this.scoreRow = (tiles + 1) * VECTOR;
        this.keyPanels = new Panels(keyDim);
        this.valuePanels = new Panels(valueDim);
        long[] sizes = {
            Lanes.BYTES,
            ScoreGradientKernel.PARAMETER_BYTES,
            keyPanels.bytes(tiles * TILE / 2),
            tiles * VECTOR * keys.store().valueWidth() / 2,
            height * queryRow(),
            height * queryRow(),
            height * gradientRow(),
            valuePanels.bytes(height / 2),
            height * scoreRow,
            height * scoreRow,
            pairTile() * tiles,
            pairTile() * tiles
        };
        long[] offsets = new long[sizes.length + 1];
        for (int i = 0; i < sizes.length; i++) {
            offsets[i + 1] = offsets[i] + Memory.align(sizes[i]);
        }
        this.lanes = pool.scratch(worker, offsets[sizes.length]);
        this.parameters = lanes + offsets[1];
        this.keyPairs = lanes + offsets[2];
        this.valueTiles = lanes + offsets[3];
        this.queries = lanes + offsets[4];
        this.queryPairs = lanes + offsets[5];
        this.gradients = lanes + offsets[6];
        this.gradientPairs = lanes + offsets[7];
        this.scores = lanes + offsets[8];
        this.dWeights = lanes + offsets[9];
        this.weightPairs = lanes + offsets[10];
        this.dScorePairs = lanes + offsets[11];
    }

    private long queryRow() {
        return 2L * keys.store().keyWidth();
    }

    private long gradientRow() {
        return 2L * ((valueDim + 1) & -2);
    }

    private long pairTile() {
        return height / 2 * VECTOR;
    }

    /** Turns the pairs of keys and values, squares of sixteen positions and sixteen dimensions. */
    void load() {
        int squarePairs = TILE / 2;
        long keyTile = keys.keyPairs() * VECTOR;
        for (int pair = 0; pair < keys.keyPairs(); pair += squarePairs) {
            int panel = 2 * pair / MicroKernel.COLUMNS;
            long pairBytes = keyPanels.pairBytes(panel);
            PairTurn.turn(
                    keys.tile(0) + pair * VECTOR,
                    keyTile,
                    Math.min(squarePairs, keys.keyPairs() - pair),
                    keyPairs + Panels.offset(panel, tiles * squarePairs) + 4L * (2 * pair - Panels.first(panel)),
                    pairBytes,
                    squarePairs * pairBytes,
                    tiles);
        }
        long valueTile = keys.panels() * squarePairs * VECTOR;
        for (int panel = 0; panel < keys.panels(); panel++) {
            PairTurn.turn(
                    keys.panel(panel),
                    squarePairs * VECTOR,
                    squarePairs,
                    valueTiles + panel * squarePairs * VECTOR,
                    VECTOR,
                    valueTile,
                    tiles);
        }
    }

    /**
     * All rows of one query head, whose dq is written.
     *
     * @param firstOfKeys whether dKeys are written; other query heads that share the keys add to them
     */
    void head(boolean firstOfKeys, float scale, Rows q, Rows dOut, Rows out, Rows logSumExp, Rows dq, Keys dKeys) {
        for (int first = 0; first < rows; first += height) {
            int count = Math.min(height, rows - first);
            prepare(count, q.from(first, 0), dOut.from(first, 0));
            products(first, count);
            for (int strip = 0; strip < count; strip += STRIP) {
                int inStrip = Math.min(STRIP, count - strip);
                scoreGradients(first, strip, inStrip, scale, out.from(first, 0), logSumExp.from(first, 0));
                queryGradients(first, strip, inStrip, dq.from(first, 0));
            }
            keyValueGradients(first, (count + 1) / 2, dKeys, firstOfKeys);
        }
    }

    /** Queries and dO in bf16, in both directions. */
    private void prepare(int count, Rows q, Rows dOut) {
        Avx512Attention.roundRows(q, count, keyDim, queries, queryRow());
        Avx512Attention.roundRows(dOut, count, valueDim, gradients, gradientRow());
        for (int i = 0; i < count; i += 2) {
            zip(q, i, count, queryPairs + i * queryRow());
        }
        long panelBytes = Panels.offset(1, height / 2);
        Rounding.zip(DType.F32, dOut.address(), dOut.stride(), count, valueDim, gradientPairs, panelBytes, 0);
    }

    private void zip(Rows rows, int i, int count, long to) {
        if (i + 1 < count) {
            Bfloat16.zip(rows.row(i), rows.row(i + 1), keyDim, to);
        } else {
            Bfloat16.zipLast(rows.row(i), keyDim, to);
        }
    }

    /** {@code S = Q K^T}, {@code dP = dO V^T}; rows before a tile do not attend to it. */
    private void products(int first, int count) {
        for (int tile = 0; tile <= (first + count - 1) / TILE; tile++) {
            int from = Math.max(0, tile * TILE - first);
            MicroKernel.multiply(
                    queries + from * queryRow(),
                    queryRow(),
                    4,
                    keys.tile(tile),
                    TILE,
                    scores + from * scoreRow + tile * VECTOR,
                    scoreRow,
                    keys.keyPairs(),
                    count - from,
                    MicroKernel.Result.FRESH);
            MicroKernel.multiply(
                    gradients + from * gradientRow(),
                    gradientRow(),
                    4,
                    valueTiles + tile * VECTOR * keys.store().valueWidth() / 2,
                    TILE,
                    dWeights + from * scoreRow + tile * VECTOR,
                    scoreRow,
                    (valueDim + 1) / 2,
                    count - from,
                    MicroKernel.Result.FRESH);
        }
    }

    /** P and dS of a strip: all its rows end in the same tile, because strips begin with tiles. */
    private void scoreGradients(int first, int strip, int count, float scale, Rows out, Rows logSumExp) {
        int used = (first + strip) / TILE + 1;
        long score = scores + strip * scoreRow;
        long dWeight = dWeights + strip * scoreRow;
        for (int i = 0; i < count; i++) {
            int row = strip + i;
            float correction = dot(gradients + row * gradientRow(), out.row(row));
            ScoreGradientKernel.parameters(parameters, i, Memory.getFloat(logSumExp.row(row)), correction);
        }
        if (count % 2 != 0) {
            // The last row's partner attends to nothing.
            Memory.zero(score + count * scoreRow, used * VECTOR);
            Memory.zero(dWeight + count * scoreRow, used * VECTOR);
            ScoreGradientKernel.parameters(parameters, count, Float.POSITIVE_INFINITY, 0);
        }
        long skip = strip / 2 * VECTOR;
        ScoreGradientKernel.gradients(
                score,
                dWeight,
                scoreRow,
                (count + 1) / 2,
                used,
                weightPairs + skip,
                dScorePairs + skip,
                pairTile(),
                scale,
                parameters);
    }

    /** {@code Σ x[i] y[i]} of dO, a bf16 row, and O, an f32 row: whole vectors into sixteen lanes, the lanes pairwise, then what is left. */
    private float dot(long x, long y) {
        FloatVector sum = FloatVector.zero(FLOATS);
        int i = 0;
        for (; i <= valueDim - TILE; i += TILE) {
            IntVector upper = (IntVector) ShortVector.fromMemorySegment(SHORTS, ALL, x + 2L * i, ORDER)
                    .convertShape(VectorOperators.S2I, INTS, 0);
            sum = upper.lanewise(VectorOperators.LSHL, 16)
                    .reinterpretAsFloats()
                    .fma(FloatVector.fromMemorySegment(FLOATS, ALL, y + 4L * i, ORDER), sum);
        }
        sum.intoMemorySegment(ALL, lanes, ORDER);
        float total = Lanes.sum(lanes);
        for (; i < valueDim; i++) {
            total = Math.fma(Memory.fromBf16(ALL.get(Memory.SHORT, x + 2L * i)), Memory.getFloat(y + 4L * i), total);
        }
        return total;
    }

    /** {@code dQ = dS K}. */
    private void queryGradients(int first, int strip, int count, Rows dq) {
        for (int panel = 0; panel < keyPanels.count(); panel++) {
            MicroKernel.multiply(
                    dWeights + strip * scoreRow,
                    scoreRow,
                    4,
                    keyPairs + Panels.offset(panel, tiles * TILE / 2),
                    keyPanels.width(panel),
                    dq.row(strip) + 4L * Panels.first(panel),
                    dq.stride(),
                    ((first + strip) / TILE + 1) * TILE / 2,
                    count,
                    MicroKernel.Result.FRESH);
        }
    }

    /** {@code dV += P^T dO}, {@code dK^T += Q^T dS}: in the store of gradients keys lie transposed. */
    private void keyValueGradients(int first, int pairs, Keys dKeys, boolean firstOfKeys) {
        for (int tile = 0; tile <= (first + 2 * pairs - 1) / TILE && tile < tiles; tile++) {
            int from = Math.max(0, tile * TILE - first) / 2;
            int positions = Math.min(TILE, rows - tile * TILE);
            // The first rows to attend to a tile are its own.
            MicroKernel.Result result = MicroKernel.Result.of(!firstOfKeys || tile * TILE < first);
            long skip = tile * pairTile() + from * VECTOR;
            long dValue = dKeys.store().valueTile(dKeys.slot() + (long) tile * TILE, dKeys.head());
            for (int panel = 0; panel < valuePanels.count(); panel++) {
                long pairBytes = valuePanels.pairBytes(panel);
                MicroKernel.multiply(
                        weightPairs + skip,
                        4,
                        VECTOR,
                        gradientPairs + Panels.offset(panel, height / 2) + from * pairBytes,
                        valuePanels.width(panel),
                        dValue + 4L * Panels.first(panel),
                        4L * valueDim,
                        pairs - from,
                        positions,
                        result);
            }
            MicroKernel.multiply(
                    queryPairs + 2 * from * queryRow(),
                    4,
                    2 * queryRow(),
                    dScorePairs + skip,
                    positions,
                    dKeys.tile(tile),
                    VECTOR,
                    pairs - from,
                    keyDim,
                    result);
        }
    }
}
