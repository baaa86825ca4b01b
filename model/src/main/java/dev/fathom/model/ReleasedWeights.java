package dev.fathom.model;

import dev.fathom.engine.DType;
import dev.fathom.engine.Engine;
import dev.fathom.engine.Initializer;
import dev.fathom.engine.Memory;
import dev.fathom.engine.Parameter;
import dev.fathom.engine.Parameters;
import dev.fathom.engine.StoredWeight;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.TrainedWeight;
import dev.fathom.engine.Weight;
import dev.fathom.engine.quant.BlockEncoder;
import dev.fathom.engine.quant.QuantizedType;
import dev.fathom.engine.quant.StoredMatrix;
import dev.fathom.engine.quant.StoredWeights;
import dev.fathom.model.config.DeepseekConfig;
import dev.fathom.model.release.ReleasedTensors;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.BiFunction;

/**
 * The weights of a released model: matrices stay in the file, in its type; norms, biases and routers are small and copied as f32.
 *
 * <p>Names and shapes are those a trained model of the same config declares, so that a file is checked against them.
 */
final class ReleasedWeights implements Weights {
    private static final String ROUTER = "mlp.gate.weight";

    private final Engine engine;
    private final ReleasedTensors tensors;
    private final Map<String, long[]> shapes;
    private final BiFunction<String, Long, List<TensorPart>> parts;
    private final Parameters small;

    /** @param parts the tensors that make up a parameter of a name and so many rows */
    ReleasedWeights(
            Engine engine,
            ReleasedTensors tensors,
            Parameters.Builder declared,
            BiFunction<String, Long, List<TensorPart>> parts) {
        this.engine = engine;
        this.tensors = tensors;
        this.shapes = declared.shapes();
        this.parts = parts;
        Parameters.Builder builder = new Parameters.Builder();
        shapes.forEach((name, shape) -> {
            if (shape.length == 1 || name.endsWith(ROUTER)) {
                // Before memory is taken for it: a damaged config can ask for any amount.
                for (TensorPart part : parts.apply(name, shape[0])) {
                    long[] partShape = shape.clone();
                    partShape[0] = part.rows();
                    tensors.require(part.name(), partShape);
                }
                builder.addUntrained(name, Initializer.zeros(), shape);
            }
        });
        small = builder.allocate();
        for (Parameter parameter : small) {
            Tensor value = parameter.value();
            for (TensorPart part : parts.apply(parameter.name(), value.dim(0))) {
                tensors.read(part.name(), value.rank() == 1 ? value.slice(part.from(), part.rows()) : value);
            }
        }
    }

    @Override
    public Embedding embedding(String name) {
        long[] shape = shape(name);
        return new Embedding.Stored(tensors.matrix(name, shape[0], shape[1]));
    }

    @Override
    public Weight matrix(String name) {
        long[] shape = shape(name);
        List<List<StoredMatrix>> groups = new ArrayList<>();
        if (shape.length == 2) {
            groups.add(parts.apply(name, shape[0]).stream()
                    .map(part -> tensors.matrix(part.name(), part.rows(), shape[1]))
                    .toList());
        } else {
            int count = Math.toIntExact(shape[0]);
            for (int i = 0; i < count; i++) {
                int index = i;
                groups.add(parts.apply(name, shape[1]).stream()
                        .map(part -> tensors.matrix(part.name(), index, count, part.rows(), shape[2]))
                        .toList());
            }
        }
        return stored(groups);
    }

    private long[] shape(String name) {
        return Objects.requireNonNull(shapes.get(name), name);
    }

    private Weight stored(List<List<StoredMatrix>> groups) {
        return new StoredWeight(new StoredWeights(groups), engine.storedGemm());
    }

    @Override
    public Weight exactMatrix(String name) {
        return new TrainedWeight(small.get(name), engine.exactGemm());
    }

    @Override
    public Parameter vector(String name) {
        return small.get(name);
    }

    /**
     * Hugging Face's checkpoints and early GGUF files have the projection in one, {@code kv_b_proj [heads * (nope + value), latent]}; later GGUF files have
     * it apart, the keys' part transposed, {@code [heads, latent, nope]} and {@code [heads, value, latent]}. Whichever way the keys' part does not lie is
     * computed: prompts and generated tokens multiply by it from different sides.
     */
    @Override
    public LatentProjection latentProjection(DeepseekConfig config, String prefix) {
        int heads = config.numAttentionHeads();
        int nope = config.nopeHeadDim();
        int value = config.valueHeadDim();
        int latent = config.keyValueLoraRank();
        String joint = prefix + "kv_b_proj.weight";
        String keys = prefix + "k_b_proj.weight";
        String values = prefix + "v_b_proj.weight";
        List<StoredMatrix> whole = new ArrayList<>();
        List<List<StoredMatrix>> absorbed = new ArrayList<>();
        List<List<StoredMatrix>> up = new ArrayList<>();
        if (tensors.has(joint) || !tensors.has(keys)) {
            StoredMatrix keyValue = tensors.matrix(joint, (long) heads * (nope + value), latent);
            tensors.ignore(keys); // some files have both
            tensors.ignore(values);
            whole.add(keyValue);
            for (int h = 0; h < heads; h++) {
                long row = (long) h * (nope + value);
                absorbed.add(List.of(transposed(keyValue.rows(row, nope))));
                up.add(List.of(keyValue.rows(row + nope, value)));
            }
        } else {
            for (int h = 0; h < heads; h++) {
                StoredMatrix key = tensors.matrix(keys, h, heads, latent, nope);
                StoredMatrix own = tensors.matrix(values, h, heads, value, latent);
                whole.add(transposed(key));
                whole.add(own);
                absorbed.add(List.of(key));
                up.add(List.of(own));
            }
        }
        return new LatentProjection(stored(List.of(whole)), stored(absorbed), stored(up));
    }

    /** A copy with rows and columns exchanged, to the bit: in its own type where that has no blocks, else in F32. */
    private static StoredMatrix transposed(StoredMatrix matrix) {
        int rows = Math.toIntExact(matrix.rows());
        int columns = Math.toIntExact(matrix.columns());
        Tensor decoded = Tensor.zeros(DType.F32, rows, columns);
        matrix.decode(0, rows, decoded);
        Tensor turned = Tensor.zeros(DType.F32, columns, rows);
        for (int r = 0; r < rows; r++) {
            for (int c = 0; c < columns; c++) {
                Memory.setFloat(turned.rowAddress(c) + 4L * r, Memory.getFloat(decoded.rowAddress(r) + 4L * c));
            }
        }
        if (matrix instanceof StoredMatrix.Blocks blocks
                && (blocks.type() == QuantizedType.BF16 || blocks.type() == QuantizedType.F16)) {
            MemorySegment halves = Arena.ofAuto().allocate(blocks.data().byteSize(), Memory.ALIGNMENT);
            new BlockEncoder(blocks.type()).encode(turned.segment(), 0, halves, 0, turned.size());
            return new StoredMatrix.Blocks(blocks.type(), halves, columns, rows);
        }
        return StoredMatrix.of(turned);
    }
}
