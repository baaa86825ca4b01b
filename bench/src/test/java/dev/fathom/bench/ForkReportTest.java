package dev.fathom.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class ForkReportTest {
    @Test
    void ratiosShowTheirMedianAndHowFarTheySpread() {
        String text = ForkReport.text(List.of(List.of(1.0, 1.2, 0.9, 1.1), List.of(2.0, 0.5, 1.3, 1.4)));

        assertThat(text)
                .isEqualTo("median 1.150 of 8 pairs; middle half 1.000 to 1.300, all 0.500 to 2.000;"
                        + " medians of the forks 1.050, 1.350");
    }
}
