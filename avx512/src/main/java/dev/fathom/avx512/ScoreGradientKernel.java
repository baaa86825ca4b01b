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
import static dev.fathom.avx512.Assembler.RSP;

import dev.fathom.avx512.Assembler.Address;
import dev.fathom.engine.Memory;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * What lies between the products of attention's backward pass, as machine code, for a strip of up to sixteen queries that end in the same tile:
 *
 * <pre>{@code
 * P = exp(scale S - logSumExp)        dS = scale P (dP - D)
 * }</pre>
 *
 * Scores and dP are read once. P and dS are written rounded, and only as the products want them: both in pairs along the queries, dS also row by row.
 */
final class ScoreGradientKernel {
    private static final int LANES = MicroKernel.LANES;

    // Vector registers of a pair of queries, the second one's number after the first one's; the exponential's are in
    // those from 16 on.
    private static final int SCORES = 0;
    private static final int WEIGHTS = 2;
    private static final int GRADIENTS = 4;
    private static final int SHIFT = 8;
    private static final int CORRECTION = 10;
    private static final int MINUS_INFINITY = 15;
    private static final int SCALE = 29;
    private static final int INTERLEAVE = 30;

    /** Which positions of the last tile the first and the second query of a pair attend to. */
    private static final int MASK = 1;

    private static final int[] SAVED = {RBX, R12, R13, R14, R15};

    /** {@code void gradients(S, dP, bytesOfARow, pairsOfP, pairsOfDS, bytesFromTileToTile, tiles, pairs, parameters, constants, interleave)}. */
    private static final MethodHandle CALL = MachineCode.call(11);

    private static final MemorySegment CODE = MachineCode.place(generate())[0];

    private ScoreGradientKernel() {}

    /** Bytes of the parameters of a strip: the scale, then two floats for each query. */
    static final int PARAMETER_BYTES = 4 + 8 * Avx512Attention.STRIP;

    /** Puts a query's {@code logSumExp} and {@code D} among the parameters. */
    static void parameters(long parameters, int query, float logSumExp, float correction) {
        Memory.setFloat(parameters + 4 + 8L * query, -logSumExp);
        Memory.setFloat(parameters + 8 + 8L * query, correction);
    }

    /**
     * The first query attends to the first position of the last tile, each further one to one position more. What follows in the scores and in dP may be anything.
     *
     * @param scores address of S, rows {@code rowBytes} apart
     * @param dWeights the same of dP; dS takes its place, two bytes an element
     * @param pairs of queries. An odd last query takes a partner whose numbers must be finite, whose {@code logSumExp} is infinite and whose D is 0
     * @param weightPairs where P goes, {@code [pairs][16]} pairs per tile, tiles {@code tileBytes} apart
     * @param scorePairs the same for dS
     * @param parameters {@link #PARAMETER_BYTES}
     */
    static void gradients(
            long scores,
            long dWeights,
            long rowBytes,
            int pairs,
            int tiles,
            long weightPairs,
            long scorePairs,
            long tileBytes,
            float scale,
            long parameters) {
        Memory.setFloat(parameters, scale);
        try {
            CALL.invokeExact(
                    CODE,
                    scores,
                    dWeights,
                    rowBytes,
                    weightPairs,
                    scorePairs,
                    tileBytes,
                    (long) tiles,
                    (long) pairs,
                    parameters,
                    Exponential.constantsAddress(),
                    Rounding.interleave());
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    private static byte[] generate() {
        Assembler code = new Assembler();
        for (int register : SAVED) {
            code.push(register);
        }
        int arguments = 8 * SAVED.length + 8;
        Address tiles = Address.of(RSP, arguments);
        Address pairs = Address.of(RSP, arguments + 8);
        code.load(R10, Address.of(RSP, arguments + 24));
        Exponential.loadConstants(code, R10);
        code.broadcast32(MINUS_INFINITY, Exponential.minusInfinity(R10));
        code.load(R10, Address.of(RSP, arguments + 32));
        code.vectorLoad(INTERLEAVE, Address.of(R10), 0);
        code.load(R10, Address.of(RSP, arguments + 16));
        code.broadcast32(SCALE, Address.of(R10));
        code.moveImmediate(RBX, 1);

        int pair = code.position();
        code.loadAddress(R12, Address.indexed(RDI, RDX, 1));
        code.loadAddress(R13, Address.indexed(RSI, RDX, 1));
        for (int query = 0; query < 2; query++) {
            code.broadcast32(SHIFT + query, Address.of(R10, 4 + 8 * query));
            code.broadcast32(CORRECTION + query, Address.of(R10, 8 + 8 * query));
            code.move(RAX, RBX);
            code.moveToMask(MASK + query, RAX);
            code.shiftLeft(RBX, 1);
            code.addImmediate(RBX, 1);
        }
        code.load(R11, tiles);
        code.multiply(RAX, R11, 4 * LANES);
        clearUnused(code);

        code.moveImmediate(R14, 0); // bytes of bf16 elements along the rows
        code.move(RAX, RCX);
        code.move(R15, R8);
        int tile = code.position();
        for (int query = 0; query < 2; query++) {
            gradients(code, query, query == 0 ? RDI : R12, query == 0 ? RSI : R13);
        }
        code.roundToBf16(WEIGHTS, WEIGHTS + 1, WEIGHTS);
        code.permute16(WEIGHTS, INTERLEAVE, WEIGHTS);
        code.vectorStore(WEIGHTS, Address.of(RAX), 0);
        code.roundToBf16(GRADIENTS, GRADIENTS + 1, GRADIENTS);
        // A row's place in bf16 lies behind what has been read of its floats.
        code.store256(GRADIENTS, Address.indexed(RSI, R14, 1));
        code.storeUpper256(GRADIENTS, Address.indexed(R13, R14, 1));
        code.permute16(GRADIENTS, INTERLEAVE, GRADIENTS);
        code.vectorStore(GRADIENTS, Address.of(R15), 0);
        code.addImmediate(R14, 2 * LANES);
        code.add(RAX, R9);
        code.add(R15, R9);
        code.decrementAndLoop(R11, tile);

        code.loadAddress(RDI, Address.indexed(RDI, RDX, 2));
        code.loadAddress(RSI, Address.indexed(RSI, RDX, 2));
        code.addImmediate(RCX, 4 * LANES);
        code.addImmediate(R8, 4 * LANES);
        code.addImmediate(R10, 16);
        code.decrementAndLoop(pairs, pair);
        code.clearUpperHalves();
        for (int i = SAVED.length - 1; i >= 0; i--) {
            code.pop(SAVED[i]);
        }
        code.returnToCaller();
        return code.bytes();
    }

    /**
     * Positions of the last tile that are not attended to: a score of minus infinity has the weight 0. dP must not be left to that, it may be infinite. rax holds
     * the bytes of a row.
     */
    private static void clearUnused(Assembler code) {
        for (int query = 0; query < 2; query++) {
            Address score = Address.indexed(query == 0 ? RDI : R12, RAX, 1, -4 * LANES);
            Address dWeight = Address.indexed(query == 0 ? RSI : R13, RAX, 1, -4 * LANES);
            clear(code, query, score, SCORES, MINUS_INFINITY);
            clear(code, query, dWeight, GRADIENTS, CORRECTION + query);
        }
    }

    private static void clear(Assembler code, int query, Address place, int elements, int otherwise) {
        code.vectorLoad(elements, place, 0);
        code.select(elements, MASK + query, elements, otherwise);
        code.vectorStore(elements, place, 0);
    }

    /** {@link #WEIGHTS} and {@link #GRADIENTS} of a query at sixteen positions. */
    private static void gradients(Assembler code, int query, int scores, int dWeights) {
        int score = SCORES + query;
        int weight = WEIGHTS + query;
        int gradient = GRADIENTS + query;
        code.vectorLoad(score, Address.indexed(scores, R14, 2), 0);
        code.multiplyThenAdd(score, SCALE, SHIFT + query);
        Exponential.of(code, score, weight, 6, 7);
        code.vectorLoad(gradient, Address.indexed(dWeights, R14, 2), 0);
        code.vectorSubtract(gradient, gradient, CORRECTION + query);
        code.vectorMultiply(gradient, gradient, weight);
        code.vectorMultiply(gradient, gradient, SCALE);
    }
}
