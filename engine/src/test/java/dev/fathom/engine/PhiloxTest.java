package dev.fathom.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashSet;
import java.util.Set;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;

/** Known answers of the authors' test vectors (Random123, kat_vectors, philox4x32 with 10 rounds), and the distributions. */
class PhiloxTest {
    @Test
    void knownAnswers() {
        assertThat(Philox.block(0, 0, 0, 0, 0, 0)).isEqualTo(0x6627e8d5e169c58dL);
        assertThat(Philox.block(-1, -1, -1, -1, -1, -1)).isEqualTo(0x408f276d41c83b0eL);
        // Digits of pi as counter and key.
        assertThat(Philox.block(0xa4093822, 0x299f31d0, 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344))
                .isEqualTo(0xd16cfe0994fdccebL);
    }

    @Test
    void uniformIsUniformInTheHalfOpenInterval() {
        int[] counts = new int[100];
        int draws = 200_000;
        for (int i = 0; i < draws; i++) {
            float u = Philox.uniform(1, 2, 3, i);
            assertThat(u >= 0 && u < 1).isTrue();
            counts[(int) (u * 100)]++;
        }
        double chiSquare = 0;
        for (int count : counts) {
            chiSquare += (count - draws / 100.0) * (count - draws / 100.0) / (draws / 100.0);
        }
        assertThat(chiSquare).isBetween(50.0, 160.0); // 99 degrees of freedom
    }

    @Test
    void gaussianHasTheMomentsOfTheNormalDistribution() {
        int draws = 200_000;
        double[] sums = new double[5];
        for (int i = 0; i < draws; i++) {
            double x = Philox.gaussian(5, 1, 0, i);
            for (int power = 1; power <= 4; power++) {
                sums[power] += Math.pow(x, power) / draws;
            }
        }
        assertThat(sums[1]).isCloseTo(0, Offset.offset(0.01));
        assertThat(sums[2]).isCloseTo(1, Offset.offset(0.015));
        assertThat(sums[3]).isCloseTo(0, Offset.offset(0.03));
        assertThat(sums[4]).isCloseTo(3, Offset.offset(0.1));
    }

    @Test
    void everyPartOfThePlaceCounts() {
        Set<Long> seen = new HashSet<>();
        for (int i = 0; i < 50; i++) {
            seen.add(Philox.bits(1L << i, 0, 0, 0));
            seen.add(Philox.bits(0, 1 + i, 0, 0));
            seen.add(Philox.bits(0, 0, 1L << i, 0));
            seen.add(Philox.bits(0, 0, 0, 1 + i));
        }
        assertThat(seen).hasSize(200);
    }
}
