package dev.fathom.plan.schedule;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.plan.PlanException;
import dev.fathom.plan.schedule.Chunk.Kind;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class ScheduleTest {
    private static Timeline run(ScheduleKind kind, int ranks, int micro, int interleave, double f, double i, double w) {
        return Simulator.run(Schedules.make(kind, ranks, micro, interleave), ChunkTimes.uniform(f, i, w, f + i + w, 0));
    }

    /** DeepSeek-V3 Table 2, with the chunk times for which the formulas hold exactly: all passes equally long. */
    @ParameterizedTest
    @CsvSource({"2,4", "2,8", "4,8", "4,17", "8,16", "8,40", "16,32", "16,120"})
    void theBubbleIsTheClosedFormula(int ranks, int micro) {
        double f = 3;
        double b = 6;
        double w = 3;
        for (int rank = 0; rank < ranks; rank++) {
            assertThat(run(ScheduleKind.ONE_F_ONE_B, ranks, micro, 1, f, b - w, w)
                            .bubble(rank))
                    .isEqualTo((ranks - 1) * (f + b));
            assertThat(run(ScheduleKind.ZB1P, ranks, micro, 1, f, b - w, w).bubble(rank))
                    .isEqualTo((ranks - 1) * (f + b - 2 * w));
            if (micro % 2 == 0) {
                assertThat(run(ScheduleKind.DUALPIPE, ranks, micro, 1, f, b - w, w)
                                .bubble(rank))
                        .isEqualTo((ranks / 2 - 1) * (f + b + b - 3 * w));
            }
            assertThat(run(ScheduleKind.DUALPIPE_V, ranks, micro + ranks, 1, f, b - w, w)
                            .bubble(rank))
                    .isEqualTo((ranks - 1) * (f + b + b - 3 * w));
            if (micro % ranks == 0) {
                assertThat(run(ScheduleKind.INTERLEAVED, ranks, micro, 2, f, b - w, w)
                                .bubble(rank))
                        .isEqualTo((ranks - 1) * (f + b));
            }
        }
    }

    /** 1F1B's formula holds for any times. */
    @ParameterizedTest
    @CsvSource({"3,5,1,2,1", "5,9,2,1,3", "7,7,1.5,2.5,1"})
    void oneForwardOneBackwardForAnyTimes(int ranks, int micro, double f, double i, double w) {
        assertThat(run(ScheduleKind.ONE_F_ONE_B, ranks, micro, 1, f, i, w).bubble(0))
                .isCloseTo((ranks - 1) * (f + i + w), within(1e-9));
    }

    /** Every chunk exactly once, after what it needs, one at a time: for all kinds over odd sizes. */
    @ParameterizedTest
    @EnumSource(ScheduleKind.class)
    void everyChunkOnceAndAfterWhatItNeeds(ScheduleKind kind) {
        for (int ranks = 1; ranks <= 9; ranks++) {
            for (int micro = 1; micro <= 30; micro++) {
                for (int interleave = 2; interleave <= 3; interleave++) {
                    try {
                        Schedules.check(kind, ranks, micro, interleave);
                    } catch (PlanException impossible) {
                        continue;
                    }
                    verify(Simulator.run(
                            Schedules.make(kind, ranks, micro, interleave),
                            ChunkTimes.uniform(1.1, 1.3, 0.7, 2.9, 0.05)));
                }
            }
        }
    }

    private static void verify(Timeline timeline) {
        int stages = timeline.schedule().stages();
        int micro = timeline.schedule().microBatches();
        double[][][] ends = new double[3][stages][micro];
        double[][][] starts = new double[3][stages][micro];
        Set<String> seen = new HashSet<>();
        for (List<Timeline.Interval> rank : timeline.ranks()) {
            double free = 0;
            for (Timeline.Interval interval : rank) {
                assertThat(interval.start()).isGreaterThanOrEqualTo(free);
                free = interval.end();
                for (Chunk chunk : interval.slot().chunks()) {
                    for (Kind pass :
                            chunk.kind() == Kind.BACKWARD ? List.of(Kind.INPUT, Kind.WEIGHT) : List.of(chunk.kind())) {
                        assertThat(seen.add(pass + " " + chunk.stage() + " " + chunk.microBatch()))
                                .as("%s twice", chunk)
                                .isTrue();
                        int row = pass == Kind.FORWARD ? 0 : pass == Kind.INPUT ? 1 : 2;
                        starts[row][chunk.stage()][chunk.microBatch()] = interval.start();
                        ends[row][chunk.stage()][chunk.microBatch()] = interval.end();
                    }
                }
            }
        }
        assertThat(seen).hasSize(3 * stages * micro);
        for (int s = 0; s < stages; s++) {
            for (int m = 0; m < micro; m++) {
                if (s > 0) {
                    assertThat(starts[0][s][m]).isGreaterThanOrEqualTo(ends[0][s - 1][m]);
                    assertThat(starts[1][s - 1][m]).isGreaterThanOrEqualTo(ends[1][s][m]);
                }
                assertThat(starts[1][s][m]).isGreaterThanOrEqualTo(ends[0][s][m]);
                assertThat(ends[2][s][m]).isGreaterThanOrEqualTo(ends[1][s][m]);
            }
        }
    }

    /** Activations under way: PP for 1F1B and ZB1P, PP + 1 for DualPipe (DeepSeek-V3 Table 2). */
    @ParameterizedTest
    @CsvSource({"4", "8", "16"})
    void activationsUnderWay(int ranks) {
        Timeline one = run(ScheduleKind.ONE_F_ONE_B, ranks, 4 * ranks, 1, 1, 1, 1);
        Timeline zero = run(ScheduleKind.ZB1P, ranks, 4 * ranks, 1, 1, 1, 1);
        Timeline dual = run(ScheduleKind.DUALPIPE, ranks, 4 * ranks, 1, 1, 1, 1);
        assertThat(one.peak(0, stage -> 1)).isEqualTo(ranks);
        for (int rank = 0; rank < ranks; rank++) {
            assertThat(zero.peak(rank, stage -> 1))
                    .isLessThanOrEqualTo(ranks + 1)
                    .isGreaterThanOrEqualTo(ranks);
            assertThat(dual.peak(rank, stage -> 1)).isEqualTo(ranks + 1);
        }
    }

    @Test
    void whatAScheduleCannotDoIsRefused() {
        assertThatThrownBy(() -> Schedules.make(ScheduleKind.DUALPIPE, 7, 32, 1))
                .isInstanceOf(PlanException.class)
                .hasMessageContaining("--pp: found 7")
                .hasMessageContaining("8");
        assertThatThrownBy(() -> Schedules.make(ScheduleKind.DUALPIPE, 8, 14, 1))
                .hasMessageContaining("found 14")
                .hasMessageContaining("16");
        assertThatThrownBy(() -> Schedules.make(ScheduleKind.INTERLEAVED, 4, 6, 2))
                .hasMessageContaining("multiple of the 4");
        assertThatThrownBy(() -> ScheduleKind.of("2f2b")).hasMessageContaining("dualpipe");
    }
}
