package dev.fathom.plan.schedule;

import dev.fathom.plan.PlanException;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/** Ways to keep the ranks of a pipeline busy. */
public enum ScheduleKind {
    /** One forward, one backward (PipeDream-flush). */
    ONE_F_ONE_B("1f1b"),
    /** 1F1B over several smaller stages per rank (Megatron-LM, arXiv 2104.04473). */
    INTERLEAVED("interleaved"),
    /** Zero bubble with the memory of 1F1B (ZB-H1, arXiv 2401.10241): weight gradients fill the bubble. */
    ZB1P("zb1p"),
    /** Two directions at once, communication of one behind the computation of the other (DeepSeek-V3 section 3.2.1). */
    DUALPIPE("dualpipe"),
    /** DualPipe folded into a V: half the ranks, no second copy of the pipeline in the other direction. */
    DUALPIPE_V("dualpipev");

    private final String key;

    ScheduleKind(String key) {
        this.key = key;
    }

    public String key() {
        return key;
    }

    /** Whether a forward and a backward chunk run as one, overlapped. */
    public boolean isPaired() {
        return this == DUALPIPE || this == DUALPIPE_V;
    }

    /** Parts of the model that a rank holds, given the interleaving of {@link #INTERLEAVED}. */
    public int stagesPerRank(int interleave) {
        return switch (this) {
            case INTERLEAVED -> interleave;
            case DUALPIPE_V, DUALPIPE -> 2;
            case ONE_F_ONE_B, ZB1P -> 1;
        };
    }

    /** Different parts that the model is cut into. */
    public int stages(int ranks, int interleave) {
        return this == DUALPIPE ? ranks : ranks * stagesPerRank(interleave);
    }

    public static ScheduleKind of(String key) {
        for (ScheduleKind kind : values()) {
            if (kind.key.equals(key.toLowerCase(Locale.ROOT))) {
                return kind;
            }
        }
        throw PlanException.of(
                "--schedule",
                "\"" + key + "\"",
                "one of " + Arrays.stream(values()).map(k -> k.key).collect(Collectors.joining(", ")));
    }
}
