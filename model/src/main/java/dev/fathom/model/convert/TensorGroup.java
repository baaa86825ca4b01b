package dev.fathom.model.convert;

import java.util.List;

/**
 * A tensor of a model under Hugging Face's name and in its order of rows; or the same matrix of every expert of a layer, without their numbers.
 *
 * @param vector whether it has one dimension: the weight of a norm, or a bias
 * @param experts how many of them, 0 for a tensor by itself
 * @param matrices one, or one for each expert; a vector is one row
 */
record TensorGroup(String name, boolean vector, int experts, List<Rows> matrices) {
    static TensorGroup single(String name, boolean vector, Rows rows) {
        return new TensorGroup(name, vector, 0, List.of(rows));
    }

    Rows rows() {
        return matrices.getFirst();
    }
}
