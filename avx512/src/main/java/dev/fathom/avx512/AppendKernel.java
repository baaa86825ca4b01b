package dev.fathom.avx512;

import static dev.fathom.avx512.Assembler.R10;
import static dev.fathom.avx512.Assembler.R8;
import static dev.fathom.avx512.Assembler.R9;
import static dev.fathom.avx512.Assembler.RAX;
import static dev.fathom.avx512.Assembler.RBX;
import static dev.fathom.avx512.Assembler.RCX;
import static dev.fathom.avx512.Assembler.RDI;
import static dev.fathom.avx512.Assembler.RDX;
import static dev.fathom.avx512.Assembler.RSI;
import static dev.fathom.avx512.Assembler.RSP;

import dev.fathom.avx512.Assembler.Address;
import dev.fathom.engine.KeyValueStore;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Adds the keys or values of one position, all heads, to a BF16 {@link KeyValueStore}, as machine code.
 *
 * <p>Each pair of a key is a cache line of its own, and of a batch's sequences none is in the caches. So while one row is written the lines of another
 * are asked for, by hints, for which nothing waits.
 */
final class AppendKernel {
    private static final int TILE = KeyValueStore.TILE;
    private static final int VECTOR = 4 * TILE;
    private static final int MASK = 1;

    // Vector registers.
    private static final int PAIRS = 0;
    private static final int SECOND = 1;
    private static final int QUARTER = 2;
    private static final int ELEMENT = 3;
    private static final int INTERLEAVE = 4;

    /** {@code void append(row, headBytes, place, headBytesOfStore, heads, next)}: next is how far it is to the place that will be written later. */
    private static final MethodHandle KEYS = MachineCode.call(6);

    /** {@code void append(row, headBytes, place, headBytesOfStore, heads, next, bytesFromPanelToPanel, interleave)}. */
    private static final MethodHandle VALUES = MachineCode.call(8);

    private static final Map<Integer, MemorySegment> KEY_CODE = new ConcurrentHashMap<>();

    /** Of each width the functions for the first position of a pair and for the second. */
    private static final Map<Integer, MemorySegment[]> VALUE_CODE = new ConcurrentHashMap<>();

    private AppendKernel() {}

    /**
     * Writes part of a key.
     *
     * @param row address of the first head's floats, the next head's {@code headStride} floats further
     * @param width even
     * @param dim first key dimension, even
     * @param slot where the position is
     * @param next a slot that will be written soon
     */
    static void keys(long row, int headStride, int width, int dim, KeyValueStore store, long slot, long next) {
        long place = keyPlace(store, slot, dim);
        MemorySegment code = KEY_CODE.computeIfAbsent(width, columns -> MachineCode.place(generateKeys(columns))[0]);
        try {
            KEYS.invokeExact(
                    code,
                    row,
                    4L * headStride,
                    place,
                    headBytes(store),
                    (long) store.heads(),
                    keyPlace(store, next, dim) - place);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    /** Writes a value; arguments are those of {@link #keys}. */
    static void values(long row, int headStride, KeyValueStore store, long slot, long next) {
        long place = store.valuePanel(slot - slot % 2, 0, 0);
        MemorySegment[] code = VALUE_CODE.computeIfAbsent(
                store.valueDim(), columns -> MachineCode.place(generateValues(columns, 0), generateValues(columns, 1)));
        try {
            VALUES.invokeExact(
                    code[(int) (slot % 2)],
                    row,
                    4L * headStride,
                    place,
                    headBytes(store),
                    (long) store.heads(),
                    store.valuePanel(next - next % 2, 0, 0) - place,
                    2 * TILE * store.slots(),
                    Rounding.interleave());
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    private static long keyPlace(KeyValueStore store, long slot, int dim) {
        long lane = slot % TILE;
        return store.keyTile(slot - lane, 0) + VECTOR * (dim / 2L) + 4 * lane;
    }

    private static long headBytes(KeyValueStore store) {
        return 2 * store.data().rowStride();
    }

    private static byte[] generateKeys(int width) {
        Assembler code = new Assembler();
        int head = code.position();
        for (int column = 0; column < width; column += 2 * TILE) {
            int columns = Math.min(2 * TILE, width - column);
            load(code, PAIRS, column, columns);
            load(code, SECOND, column + TILE, columns - TILE);
            code.roundToBf16(PAIRS, SECOND, PAIRS);
            for (int pair = 0; pair < columns / 2; pair++) {
                // Each in its turn becomes element 0.
                if (pair % 4 == 0) {
                    code.shuffleQuarters(QUARTER, PAIRS, pair / 4);
                }
                code.shuffleInQuarters(ELEMENT, QUARTER, pair % 4);
                int line = VECTOR * (column / 2 + pair);
                code.storeFirst(ELEMENT, Address.of(RDX, line));
                code.prefetchToWrite(Address.indexed(RDX, R9, 1, line));
            }
        }
        code.add(RDI, RSI);
        code.add(RDX, RCX);
        code.decrementAndLoop(R8, head);
        code.clearUpperHalves();
        code.returnToCaller();
        return code.bytes();
    }

    /** @param half of the pair of positions that is written, the other stays as it is */
    private static byte[] generateValues(int width, int half) {
        Assembler code = new Assembler();
        code.push(RBX);
        int arguments = 8 + 8;
        code.load(R10, Address.of(RSP, arguments)); // from panel to panel
        code.load(RAX, Address.of(RSP, arguments + 8));
        code.vectorLoad(INTERLEAVE, Address.of(RAX), 0);
        int head = code.position();
        code.move(RBX, RDX);
        for (int column = 0; column < width; column += TILE) {
            load(code, PAIRS, column, Math.min(TILE, width - column));
            code.roundToBf16(PAIRS, PAIRS, PAIRS);
            code.permute16(PAIRS, INTERLEAVE, PAIRS); // each element twice, one beside the other
            code.moveImmediate(RAX, half == 0 ? 0x55555555 : 0xaaaaaaaa);
            code.moveToMask32(MASK, RAX);
            code.vectorStore16(PAIRS, Address.of(RBX), MASK);
            code.prefetchToWrite(Address.indexed(RBX, R9, 1));
            code.add(RBX, R10);
        }
        code.add(RDI, RSI);
        code.add(RDX, RCX);
        code.decrementAndLoop(R8, head);
        code.clearUpperHalves();
        code.pop(RBX);
        code.returnToCaller();
        return code.bytes();
    }

    /** Up to sixteen floats of the row, zeros after them. */
    private static void load(Assembler code, int target, int column, int columns) {
        if (columns <= 0) {
            code.vectorZero(target);
            return;
        }
        if (columns < TILE) {
            code.moveImmediate(RAX, (1 << columns) - 1);
            code.moveToMask(MASK, RAX);
        }
        code.vectorLoad(target, Address.of(RDI, 4 * column), columns < TILE ? MASK : 0);
    }
}
