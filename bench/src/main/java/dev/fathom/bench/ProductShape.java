package dev.fathom.bench;

import dev.fathom.engine.RowGroups;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The size of a matrix product {@code [rows, inputs] x [inputs, outputs]}.
 *
 * @param experts matrices that share the rows; unevenly, as routers do: expert i has twice the weight of expert 2i, and the last has none
 */
public record ProductShape(int rows, int inputs, int outputs, int experts) {
    private static final Pattern TEXT = Pattern.compile("(\\d{1,7})x(\\d{1,6})x(\\d{1,6})(?:x(\\d{1,4}))?");

    public ProductShape {
        if (rows < 1 || inputs < 1 || outputs < 1 || experts < 1) {
            throw new IllegalArgumentException("a product needs at least one row, input, output and expert; is " + rows
                    + "x" + inputs + "x" + outputs + "x" + experts);
        }
    }

    /** Reads ROWSxINPUTSxOUTPUTS[xEXPERTS]. */
    public static ProductShape parse(String text) {
        Matcher matcher = TEXT.matcher(text);
        if (!matcher.matches()) {
            throw new IllegalArgumentException(
                    "a shape is ROWSxINPUTSxOUTPUTS or ROWSxINPUTSxOUTPUTSxEXPERTS, such as 2048x256x512x16; was \""
                            + text + "\"");
        }
        String experts = matcher.group(4);
        return new ProductShape(
                Integer.parseInt(matcher.group(1)),
                Integer.parseInt(matcher.group(2)),
                Integer.parseInt(matcher.group(3)),
                experts == null ? 1 : Integer.parseInt(experts));
    }

    /** As {@link #parse} reads it. */
    public String text() {
        return rows + "x" + inputs + "x" + outputs + (experts == 1 ? "" : "x" + experts);
    }

    RowGroups groups() {
        if (experts == 1) {
            return RowGroups.single(rows);
        }
        double total = 0;
        for (int expert = 0; expert < experts - 1; expert++) {
            total += 1.0 / (expert + 1);
        }
        int[] offsets = new int[experts + 1];
        double sum = 0;
        for (int expert = 0; expert < experts - 1; expert++) {
            sum += 1.0 / (expert + 1);
            offsets[expert + 1] = (int) Math.round(rows * sum / total);
        }
        offsets[experts] = rows;
        return new RowGroups(offsets);
    }
}
