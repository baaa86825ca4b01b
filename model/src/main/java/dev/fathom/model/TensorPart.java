package dev.fathom.model;

/**
 * Which rows of a parameter a tensor of a checkpoint is: matrices that are multiplied by the same input are one in memory and several in files.
 *
 * @param name the released name
 * @param from first row
 * @param to one past the last row
 */
record TensorPart(String name, long from, long to) {
    long rows() {
        return to - from;
    }
}
