package dev.fathom.learn.rl;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.learn.Json;
import dev.fathom.learn.recipe.CurriculumOptions;
import dev.fathom.learn.task.RandomSource;
import org.junit.jupiter.api.Test;

class LevelCurriculumTest {
    private static final CurriculumOptions OPTIONS = new CurriculumOptions(2, 0.7, 0.1, 32, 0.25);

    @Test
    void risesFallsOrStaysOnceAWindowIsFull() {
        LevelCurriculum start = LevelCurriculum.start(OPTIONS, 3);
        assertThat(start.level()).isEqualTo(2);
        LevelCurriculum half = start.observe(OPTIONS, 2, 16, 16);
        assertThat(half).isEqualTo(new LevelCurriculum(2, 3, 16, 16));
        assertThat(half.observe(OPTIONS, 2, 7, 16)).isEqualTo(new LevelCurriculum(3, 3, 0, 0)); // 23 of 32: 72 %
        assertThat(half.observe(OPTIONS, 2, 6, 16)).isEqualTo(new LevelCurriculum(2, 3, 0, 0)); // 22 of 32: 69 %
        assertThat(start.observe(OPTIONS, 2, 3, 32).level()).isEqualTo(1); // 9 %
        assertThat(start.observe(OPTIONS, 2, 4, 32).level()).isEqualTo(2); // 12.5 %
    }

    @Test
    void staysWithinTheLevelsOfTheTask() {
        assertThat(new LevelCurriculum(3, 3, 0, 0).observe(OPTIONS, 3, 32, 32).level())
                .isEqualTo(3);
        assertThat(new LevelCurriculum(1, 3, 0, 0).observe(OPTIONS, 1, 0, 32).level())
                .isEqualTo(1);
        assertThat(LevelCurriculum.start(OPTIONS, 1).level()).isEqualTo(1);
    }

    @Test
    void reviewsOfEasierLevelsChangeNothing() {
        LevelCurriculum state = new LevelCurriculum(3, 3, 5, 16);
        assertThat(state.observe(OPTIONS, 1, 16, 16)).isEqualTo(state);
        int reviews = 0;
        for (int i = 0; i < 4000; i++) {
            int level = state.draw(OPTIONS, RandomSource.at(1, 1, i));
            assertThat(level).isBetween(1, 3);
            reviews += level < 3 ? 1 : 0;
        }
        assertThat(reviews).isBetween(900, 1100);
    }

    @Test
    void aCheckpointKeepsIt() {
        LevelCurriculum state = new LevelCurriculum(2, 3, 5, 16);
        String json = Json.MAPPER.writeValueAsString(state);
        assertThat(Json.MAPPER.readValue(json, LevelCurriculum.class)).isEqualTo(state);
    }
}
