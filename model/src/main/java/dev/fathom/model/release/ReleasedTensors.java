package dev.fathom.model.release;

import dev.fathom.engine.Tensor;
import dev.fathom.engine.quant.StoredMatrix;
import dev.fathom.model.files.CheckpointException;
import java.nio.file.Path;
import java.util.SequencedSet;

/**
 * The tensors of a released model under Hugging Face's names, whatever the file calls them. Matrices stay where they lie. What has been taken is
 * remembered: a tensor that nobody takes belongs to another architecture.
 *
 * <p>All errors are {@link CheckpointException}s that name file, tensor, found and expected.
 */
public sealed interface ReleasedTensors permits SafetensorsTensors, GgufTensors {
    /** What to call the model's file in an error. */
    Path source();

    /** Whether there is a tensor of this name. */
    boolean has(String name);

    /** The matrix of this name. */
    StoredMatrix matrix(String name, long rows, long columns);

    /**
     * One of a stack of matrices of equal shape.
     *
     * @param name such as {@code model.layers.3.mlp.experts.up_proj.weight}: safetensors files have a tensor for each expert, GGUF files one for all
     */
    StoredMatrix matrix(String name, int index, int count, long rows, long columns);

    /** Checks that there is a tensor of this name and shape. */
    void require(String name, long... shape);

    /** Copies a small tensor into F32 memory of its shape. */
    void read(String name, Tensor target);

    /** Takes a tensor, if there is one, that says nothing new. */
    void ignore(String name);

    /** What nobody took, as the file calls it. */
    SequencedSet<String> untaken();

    /**
     * To be called when a model is complete.
     *
     * @throws CheckpointException if tensors are left
     */
    default void requireAllTaken() {
        SequencedSet<String> left = untaken();
        if (!left.isEmpty()) {
            String more = left.size() > 1 ? " and " + (left.size() - 1) + " more" : "";
            throw CheckpointException.of(
                    source(),
                    left.getFirst() + more,
                    "entry",
                    "a tensor",
                    "none of this name in a model of this architecture and config");
        }
    }
}
