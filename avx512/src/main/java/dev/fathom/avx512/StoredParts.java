package dev.fathom.avx512;

import dev.fathom.avx512.StoredFormat.Operand;
import dev.fathom.engine.StoredGemm;
import dev.fathom.engine.quant.Float8;
import dev.fathom.engine.quant.StoredMatrix;
import dev.fathom.engine.quant.StoredWeights;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;

/** Stored weights with the kernels that read them. Nothing is copied. */
final class StoredParts implements StoredGemm.Prepared {
    /**
     * One matrix of a group.
     *
     * @param direct whether the kernel reads it as it is; else it is expanded to floats first
     * @param output the group's output that its first row is
     */
    record Part(StoredMatrix matrix, StoredFormat format, StoredKernel kernel, boolean direct, long output) {
        long rowBytes() {
            return matrix instanceof StoredMatrix.Blocks blocks ? blocks.rowBytes() : matrix.columns();
        }

        /** Where the rows of a matrix that is read as it is lie, from a given one on. */
        Rows rows(long first) {
            MemorySegment data = switch (matrix) {
                case StoredMatrix.Blocks blocks -> blocks.data();
                case StoredMatrix.Float8Blocks blocks -> blocks.data();
            };
            return new Rows(data.address() + first * rowBytes(), rowBytes());
        }

        /** Where the scales that a row shares with others lie, or 0. */
        long scales(long row) {
            return matrix instanceof StoredMatrix.Float8Blocks blocks
                    ? blocks.scales().address() + row / Float8.BLOCK * Float8.blocks(matrix.columns()) * Float.BYTES
                    : 0;
        }

        /** Tiles from a given one on that share their scales, if they share any. */
        long tilesWithSameScales(long tile) {
            long together = Float8.BLOCK / StoredKernel.OUTPUTS;
            return matrix instanceof StoredMatrix.Float8Blocks ? together - tile % together : Long.MAX_VALUE;
        }

        /** Steps of the kernel in a row. */
        long steps() {
            return (matrix.columns() + format.elements() - 1) / format.elements();
        }

        /** Tiles of sixteen outputs, the last of them maybe with fewer. */
        long tiles() {
            return (matrix.rows() + StoredKernel.OUTPUTS - 1) / StoredKernel.OUTPUTS;
        }
    }

    private final StoredWeights weights;
    private final List<List<Part>> groups = new ArrayList<>();
    private final Set<Operand> operands = EnumSet.noneOf(Operand.class);

    StoredParts(StoredWeights weights, Function<StoredFormat, StoredKernel> kernels) {
        this.weights = weights;
        for (List<StoredMatrix> matrices : weights.groups()) {
            List<Part> parts = new ArrayList<>();
            long output = 0;
            for (StoredMatrix matrix : matrices) {
                Optional<StoredFormat> direct = format(matrix);
                StoredFormat format = direct.orElse(StoredFormat.F32);
                parts.add(new Part(matrix, format, kernels.apply(format), direct.isPresent(), output));
                operands.add(format.operand());
                output += matrix.rows();
            }
            groups.add(parts);
        }
    }

    /** What the kernels can read as it is. */
    private static Optional<StoredFormat> format(StoredMatrix matrix) {
        Optional<StoredFormat> format = switch (matrix) {
            case StoredMatrix.Blocks blocks -> StoredFormat.of(blocks.type());
            case StoredMatrix.Float8Blocks _ ->
                Processor.HAS_BYTE_TABLES ? Optional.of(StoredFormat.E4M3) : Optional.empty();
        };
        return format.filter(f -> matrix.columns() % f.elements() == 0);
    }

    List<Part> group(int group) {
        return groups.get(group);
    }

    /** Bytes of a group. */
    long bytes(int group) {
        return groups.get(group).stream()
                .mapToLong(part -> part.matrix.rows() * part.rowBytes())
                .sum();
    }

    /** What x is needed as. */
    Set<Operand> operands() {
        return operands;
    }

    @Override
    public int groups() {
        return groups.size();
    }

    @Override
    public long outputs() {
        return weights.outputs();
    }

    @Override
    public long inputs() {
        return weights.inputs();
    }
}
