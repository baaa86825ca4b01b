package dev.fathom.model.release;

import dev.fathom.engine.Tensor;
import dev.fathom.engine.quant.StoredMatrix;
import dev.fathom.model.files.CheckpointException;
import dev.fathom.model.safetensors.Safetensors;
import dev.fathom.model.safetensors.StoredTensor;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.SequencedSet;

/** The tensors of a Hugging Face directory, whose names are the names. */
final class SafetensorsTensors implements ReleasedTensors {
    private static final String EXPERTS = ".experts.";

    private final Safetensors files;
    private final SequencedSet<String> untaken;

    SafetensorsTensors(Safetensors files) {
        this.files = files;
        this.untaken = new LinkedHashSet<>(files.names());
    }

    @Override
    public Path source() {
        return files.source();
    }

    @Override
    public boolean has(String name) {
        return files.find(name).isPresent();
    }

    private StoredTensor take(String name) {
        StoredTensor tensor = files.get(name);
        untaken.remove(name);
        StoredTensor scales = tensor.scales();
        if (scales != null) {
            untaken.remove(scales.name());
        }
        return tensor;
    }

    @Override
    public StoredMatrix matrix(String name, long rows, long columns) {
        StoredTensor tensor = take(name);
        if (!tensor.shape().equals(List.of(rows, columns))) {
            throw CheckpointException.of(
                    tensor.file(),
                    name,
                    "shape",
                    tensor.shape(),
                    List.of(rows, columns).toString());
        }
        return tensor.matrix();
    }

    @Override
    public StoredMatrix matrix(String name, int index, int count, long rows, long columns) {
        return matrix(name.replace(EXPERTS, EXPERTS + index + "."), rows, columns);
    }

    @Override
    public void require(String name, long... shape) {
        StoredTensor tensor = files.get(name);
        if (!Arrays.equals(tensor.dimensions(), shape)) {
            throw CheckpointException.of(tensor.file(), name, "shape", tensor.shape(), Arrays.toString(shape));
        }
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
        // Published by early converters beside the weights; computed from the config here.
        untaken.removeIf(name -> name.endsWith("rotary_emb.inv_freq"));
        return untaken;
    }
}
