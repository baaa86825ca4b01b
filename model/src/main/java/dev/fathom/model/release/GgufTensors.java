package dev.fathom.model.release;

import dev.fathom.engine.Tensor;
import dev.fathom.engine.quant.StoredMatrix;
import dev.fathom.model.files.CheckpointException;
import dev.fathom.model.gguf.Gguf;
import dev.fathom.model.gguf.GgufTensor;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.SequencedSet;

/** The tensors of a GGUF file by the names of {@link GgufNames}. */
final class GgufTensors implements ReleasedTensors {
    private final Gguf file;
    private final SequencedSet<String> untaken;

    GgufTensors(Gguf file) {
        this.file = file;
        this.untaken = new LinkedHashSet<>(file.names());
    }

    @Override
    public Path source() {
        return file.source();
    }

    @Override
    public boolean has(String name) {
        return GgufNames.find(name).flatMap(file::find).isPresent();
    }

    private GgufTensor take(String name) {
        String own = GgufNames.find(name).orElse(name);
        GgufTensor tensor = file.get(own);
        untaken.remove(own);
        return tensor;
    }

    @Override
    public StoredMatrix matrix(String name, long rows, long columns) {
        GgufTensor tensor = take(name);
        requireShape(tensor, List.of(rows, columns));
        return tensor.matrix(0, rows, columns);
    }

    @Override
    public StoredMatrix matrix(String name, int index, int count, long rows, long columns) {
        GgufTensor tensor = take(name);
        requireShape(tensor, List.of((long) count, rows, columns));
        return tensor.matrix(index * rows, rows, columns);
    }

    private static void requireShape(GgufTensor tensor, List<Long> expected) {
        if (!tensor.shape().equals(expected)) {
            throw CheckpointException.of(tensor.file(), tensor.name(), "shape", tensor.shape(), expected.toString());
        }
    }

    @Override
    public void require(String name, long... shape) {
        requireShape(
                file.get(GgufNames.find(name).orElse(name)),
                Arrays.stream(shape).boxed().toList());
    }

    @Override
    public void read(String name, Tensor target) {
        take(name).copyTo(target);
    }

    @Override
    public void ignore(String name) {
        if (has(name)) {
            take(name);
        }
    }

    @Override
    public SequencedSet<String> untaken() {
        untaken.remove(GgufConfig.ROPE_DIVISORS); // read with the config
        return untaken;
    }
}
