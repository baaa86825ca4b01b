package dev.fathom.avx512;

import static dev.fathom.avx512.Assembler.R10;
import static dev.fathom.avx512.Assembler.R11;
import static dev.fathom.avx512.Assembler.R12;
import static dev.fathom.avx512.Assembler.R13;
import static dev.fathom.avx512.Assembler.R14;
import static dev.fathom.avx512.Assembler.R15;
import static dev.fathom.avx512.Assembler.R8;
import static dev.fathom.avx512.Assembler.R9;
import static dev.fathom.avx512.Assembler.RAX;
import static dev.fathom.avx512.Assembler.RBX;
import static dev.fathom.avx512.Assembler.RCX;
import static dev.fathom.avx512.Assembler.RDI;
import static dev.fathom.avx512.Assembler.RDX;
import static dev.fathom.avx512.Assembler.RSI;

import dev.fathom.avx512.Assembler.Address;
import dev.fathom.avx512.Assembler.Prefetch;
import dev.fathom.engine.KeyValueStore;
import dev.fathom.engine.Memory;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Attention of one query as one machine-code function, from the query's floats to the output's: with one row there is so little to compute that calls in
 * between would cost more. The sums are those of {@link Avx512Attention}, to the bit.
 *
 * <p>Keys and values of all sequences are far more than the caches hold: while one query is computed, its function asks for what the next one
 * needs, as much as it reads itself. Without that they arrive at a third of the memory's speed. Within sequences too long for that it asks for what it will
 * need itself.
 */
final class DecodeKernel {
    private static final int TILE = KeyValueStore.TILE;
    private static final int VECTOR = 4 * TILE;

    /** Chains of sums at once: tiles of scores, panels of values. With fewer, each waits for its own last step. */
    private static final int CHAINS = 8;

    /** Positions that are asked for ahead within a long sequence: those of the next {@link #CHAINS} tiles. */
    private static final int AHEAD = CHAINS * TILE;

    /** Bytes of keys and values, of one sequence and head, that the second-level cache holds beside those of the next. */
    private static final int SHORT = 128 << 10;

    // Vector registers beside the chains and those of the softmax.
    private static final int BROADCAST = 8;
    private static final int SCORE_MAX = RowSoftmax.MAX;
    private static final int FACTOR = 9;
    private static final int ZERO = 10;

    private static final int MASK = RowSoftmax.MASK;
    private static final int SECOND_MASK = 2;

    // Where the function finds its arguments, in bytes from the one address that it is called with.
    private static final int QUERY = 0;
    private static final int KEYS = 8;
    private static final int VALUES = 16;
    private static final int PANEL_STRIDE = 24;
    private static final int OUT = 32;
    private static final int BLOCKS = 40;
    private static final int TILES = 48;
    private static final int MASK_OF_LAST = 56;
    private static final int KEYS_AHEAD = 64;
    private static final int VALUES_AHEAD = 72;
    private static final int CONSTANTS = 80;
    private static final int SCALE = 88;
    private static final int MAX = 92;
    private static final int SUM = 96;

    /** Room for the arguments, then for the query in bf16, the scores, and the weights. */
    private static final int ARGUMENTS = 128;

    private static final int[] SAVED = {RBX, R12, R13, R14, R15};

    /** {@code void attend(arguments)}. */
    private static final MethodHandle CALL = MachineCode.call(1);

    private static final Map<Shape, DecodeKernel> KERNELS = new ConcurrentHashMap<>();

    private record Shape(int keyDim, int valueDim) {}

    /** How many whole blocks of {@link #CHAINS} tiles come before the last 1 to {@link #CHAINS}: none, or some. */
    private final MemorySegment[] functions;

    private final int queryBytes;

    private DecodeKernel(Shape shape) {
        byte[][] codes = new byte[2 * CHAINS][];
        for (int last = 1; last <= CHAINS; last++) {
            codes[last - 1] = generate(shape, last, false);
            codes[CHAINS + last - 1] = generate(shape, last, true);
        }
        functions = MachineCode.place(codes);
        queryBytes = queryBytes(shape.keyDim);
    }

    static DecodeKernel of(KeyValueStore store) {
        return KERNELS.computeIfAbsent(new Shape(store.keyDim(), store.valueDim()), DecodeKernel::new);
    }

    private static int queryBytes(int keyDim) {
        return (keyDim + 2 * TILE - 1) / (2 * TILE) * VECTOR;
    }

    /** Bytes of scratch memory for so many tiles. */
    long scratchBytes(int tiles) {
        return ARGUMENTS + queryBytes + (long) tiles * (VECTOR + VECTOR / 2) + VECTOR;
    }

    /**
     * Where a sequence's keys and values of one head begin, or those of whatever is attended to next.
     *
     * @param tile address of the first tile of keys
     * @param panel address of the first panel of values
     */
    record Place(long tile, long panel) {
        static Place of(Avx512Attention.Keys keys) {
            return new Place(keys.tile(0), keys.panel(0));
        }
    }

    /**
     * Attends to the first positions of a sequence.
     *
     * @param attended how many, at least 1
     * @param next what is attended to next
     * @param query address of the query's floats
     * @param out address of the output's floats
     * @param scratch address of {@link #scratchBytes}, aligned
     * @return address of two floats: {@code scale * largest score}, and the sum of the unrounded weights
     */
    long attend(Avx512Attention.Keys keys, int attended, float scale, Place next, long query, long out, long scratch) {
        KeyValueStore store = keys.store();
        int tiles = (attended + TILE - 1) / TILE;
        int blocks = (tiles - 1) / CHAINS;
        Place here = Place.of(keys);
        long bytes = 2L * tiles * TILE * (store.keyWidth() + store.valueWidth());
        boolean within = blocks > 0 && bytes > SHORT;
        set(scratch + QUERY, query);
        set(scratch + KEYS, here.tile);
        set(scratch + VALUES, here.panel);
        set(scratch + PANEL_STRIDE, 2 * TILE * store.slots());
        set(scratch + OUT, out);
        set(scratch + BLOCKS, blocks);
        set(scratch + TILES, tiles);
        set(scratch + MASK_OF_LAST, RowSoftmax.maskOfLast(attended));
        set(scratch + KEYS_AHEAD, within ? 2L * AHEAD * store.keyWidth() : next.tile - here.tile);
        set(scratch + VALUES_AHEAD, within ? 2L * AHEAD * TILE : next.panel - here.panel);
        set(scratch + CONSTANTS, Exponential.constantsAddress());
        Memory.setFloat(scratch + SCALE, scale);
        try {
            CALL.invokeExact(functions[(blocks > 0 ? CHAINS : 0) + tiles - blocks * CHAINS - 1], scratch);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
        return scratch + MAX;
    }

    private static void set(long address, long value) {
        Memory.ALL.set(Memory.LONG, address, value);
    }

    /** For sequences whose tiles, after whole blocks of {@link #CHAINS}, leave {@code last}. */
    private static byte[] generate(Shape shape, int last, boolean blocks) {
        int keyPairs = (shape.keyDim + 1) / 2;
        Assembler code = new Assembler();
        for (int register : SAVED) {
            code.push(register);
        }
        int query = RCX;
        int scores = R14;
        code.loadAddress(query, Address.of(RDI, ARGUMENTS));
        code.loadAddress(scores, Address.of(query, queryBytes(shape.keyDim)));
        code.load(RAX, Address.of(RDI, QUERY));
        round(code, RAX, query, shape.keyDim);
        code.load(RAX, Address.of(RDI, CONSTANTS));
        RowSoftmax.loadConstants(code, RAX, Address.of(RDI, SCALE));
        code.load(RAX, Address.of(RDI, MASK_OF_LAST));
        code.moveToMask(MASK, RAX);
        code.load(RSI, Address.of(RDI, KEYS));
        code.load(R9, Address.of(RDI, KEYS_AHEAD));

        code.move(R15, scores);
        if (blocks) {
            code.load(R11, Address.of(RDI, BLOCKS));
            int block = code.position();
            scores(code, keyPairs, CHAINS, false);
            code.decrementAndLoop(R11, block);
        }
        scores(code, keyPairs, last, true);

        // R15 now follows the scores: there the weights go.
        RowSoftmax.scaleMaximum(code);
        code.move(R12, R15);
        code.load(R13, Address.of(RDI, TILES));
        RowSoftmax.exponentials(code, scores, R15, R13);
        RowSoftmax.reciprocalOfSum(code, FACTOR);
        RowSoftmax.storeStatistics(code, Address.of(RDI, MAX), Address.of(RDI, SUM));

        code.load(RDX, Address.of(RDI, VALUES));
        code.load(R8, Address.of(RDI, PANEL_STRIDE));
        code.load(R10, Address.of(RDI, VALUES_AHEAD));
        code.load(R14, Address.of(RDI, OUT));
        code.vectorZero(ZERO);
        for (int column = 0; column < shape.valueDim; column += CHAINS * TILE) {
            outputs(code, column, Math.min(CHAINS * TILE, shape.valueDim - column));
        }

        code.clearUpperHalves();
        for (int i = SAVED.length - 1; i >= 0; i--) {
            code.pop(SAVED[i]);
        }
        code.returnToCaller();
        return code.bytes();
    }

    /** Floats to bf16, zeros after them up to the next 32. */
    private static void round(Assembler code, int from, int to, int columns) {
        for (int column = 0; column < columns; column += 2 * TILE) {
            int first = Math.min(TILE, columns - column);
            int second = Math.min(TILE, columns - column - first);
            setMask(code, MASK, first);
            setMask(code, SECOND_MASK, second);
            code.vectorLoad(0, Address.of(from, 4 * column), MASK);
            code.vectorLoad(1, Address.of(from, 4 * (column + TILE)), SECOND_MASK);
            code.roundToBf16(0, 1, 0);
            code.vectorStore(0, Address.of(to, 2 * column), 0);
        }
    }

    private static void setMask(Assembler code, int mask, int elements) {
        code.moveImmediate(R11, (1 << elements) - 1);
        code.move(RBX, R11);
        code.moveToMask(mask, RBX);
    }

    /** Scores of some tiles, from rsi on, to r15; both move on. Chains run over the pairs of key dimensions. */
    private static void scores(Assembler code, int keyPairs, int tiles, boolean last) {
        int tileBytes = keyPairs * VECTOR;
        for (int tile = 0; tile < tiles; tile++) {
            code.vectorZero(tile);
        }
        code.move(RAX, RCX);
        code.moveImmediate(RBX, keyPairs);
        code.loadAddress(R10, Address.indexed(RSI, R9, 1));
        int pair = code.position();
        code.broadcast32(BROADCAST, Address.of(RAX));
        for (int tile = 0; tile < tiles; tile++) {
            code.prefetch(Prefetch.SECOND_LEVEL, Address.of(R10, tile * tileBytes));
            code.dotBf16(tile, BROADCAST, Address.of(RSI, tile * tileBytes));
        }
        code.addImmediate(RAX, 4);
        code.addImmediate(RSI, VECTOR);
        code.addImmediate(R10, VECTOR);
        code.decrementAndLoop(RBX, pair);
        code.addImmediate(RSI, (tiles - 1) * tileBytes);
        if (last) {
            // SCORE_MAX may hold a maximum already: another register for minus infinity.
            code.load(RAX, Address.of(RDI, CONSTANTS));
            code.broadcast32(BROADCAST, Exponential.minusInfinity(RAX));
            code.select(tiles - 1, MASK, tiles - 1, BROADCAST);
        }
        for (int tile = 0; tile < tiles; tile++) {
            code.vectorMax(SCORE_MAX, tile, SCORE_MAX);
            code.vectorStore(tile, Address.of(R15, tile * VECTOR), 0);
        }
        code.addImmediate(R15, tiles * VECTOR);
    }

    /** Outputs of some columns: weights at r12, panels from rdx on, which moves on. Chains run over the pairs of positions. */
    private static void outputs(Assembler code, int firstColumn, int columns) {
        int panels = (columns + TILE - 1) / TILE;
        // Three panels are reached from one pointer: [p], [p + stride], [p + 2 stride].
        int[] pointers = {RSI, RBX, R13};
        code.move(RSI, RDX);
        for (int i = 1; i < pointers.length; i++) {
            code.loadAddress(pointers[i], Address.indexed(pointers[i - 1], R8, 2));
            code.add(pointers[i], R8);
        }
        for (int panel = 0; panel < panels; panel++) {
            code.vectorZero(panel);
        }
        code.move(RAX, R12);
        code.load(R11, Address.of(RDI, TILES));
        code.multiply(R11, R11, TILE / 2);
        int pair = code.position();
        code.broadcast32(BROADCAST, Address.of(RAX));
        for (int panel = 0; panel < panels; panel++) {
            int pointer = pointers[panel / 3];
            Address place = panel % 3 == 0 ? Address.of(pointer) : Address.indexed(pointer, R8, panel % 3 == 1 ? 1 : 2);
            code.dotBf16(panel, BROADCAST, place);
            code.loadAddress(R9, place);
            code.prefetch(Prefetch.SECOND_LEVEL, Address.indexed(R9, R10, 1));
        }
        code.addImmediate(RAX, 4);
        for (int i = 0; i <= (panels - 1) / 3; i++) {
            code.addImmediate(pointers[i], VECTOR);
        }
        code.decrementAndLoop(R11, pair);
        int rest = columns - (panels - 1) * TILE;
        setMask(code, MASK, rest);
        for (int panel = 0; panel < panels; panel++) {
            // Adding 0 gives an underflown -0 the sign it has in a row whose chain went on with + 0.
            code.multiplyThenAdd(panel, FACTOR, ZERO);
            code.vectorStore(panel, Address.of(R14, 4 * (firstColumn + panel * TILE)), panel == panels - 1 ? MASK : 0);
        }
        code.multiply(RAX, R8, panels);
        code.add(RDX, RAX);
    }
}
