package dev.fathom.model.convert;

/** The order of the rows of a query or key projection: rotary pairs as halves of a head (Hugging Face) or as neighbours (GGUF's {@code llama}). */
final class RotaryOrder {
    private RotaryOrder() {}

    static Rows toNeighbours(Rows rows, int heads) {
        long width = rows.rows() / heads;
        return rows.ordered(row -> {
            long inHead = row % width;
            return row - inHead + inHead % 2 * (width / 2) + inHead / 2;
        });
    }

    static Rows toHalves(Rows rows, int heads) {
        long width = rows.rows() / heads;
        return rows.ordered(row -> {
            long inHead = row % width;
            long half = width / 2;
            return row - inHead + (inHead < half ? 2 * inHead : 2 * (inHead - half) + 1);
        });
    }
}
