package dev.fathom.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class SegmentsTest {
    /** Where a row belongs: its sequence's slot and its position. */
    private record Place(long slot, int position) {}

    private static List<Place> places(Segments segments) {
        List<Place> places = new ArrayList<>();
        for (int s = 0; s < segments.count(); s++) {
            assertThat(segments.rowStart()[s]).isEqualTo(places.size());
            assertThat(segments.rowCount()[s]).isPositive();
            for (int i = 0; i < segments.rowCount()[s]; i++) {
                places.add(new Place(segments.slot()[s], segments.position()[s] + i));
            }
        }
        return places;
    }

    @Test
    void anyRangeOfRowsKeepsItsPlaces() {
        Random random = new Random(1);
        for (int n = 1; n < 6; n++) {
            int[] lengths = random.ints(n, 1, 9).toArray();
            Segments packed = Segments.packed(lengths);
            Segments whole = new Segments(
                    n,
                    packed.rowStart(),
                    packed.rowCount(),
                    random.ints(n, 0, 100).toArray(),
                    packed.slot());
            List<Place> places = places(whole);
            for (int from = 0; from <= places.size(); from++) {
                for (int to = from; to <= places.size(); to++) {
                    Segments part = whole.rows(from, to);
                    assertThat(places(part)).isEqualTo(places.subList(from, to));
                    assertThat(part.rows()).isEqualTo(to - from);
                }
            }
        }
    }
}
