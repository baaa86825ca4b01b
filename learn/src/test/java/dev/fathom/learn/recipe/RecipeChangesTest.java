package dev.fathom.learn.recipe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.learn.Json;
import dev.fathom.learn.LearnException;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Recipes made from recipes: for other tasks, for other times, of one stage. */
class RecipeChangesTest {
    private static final Recipe RECIPE = Recipe.parse("""
            {"name": "small", "tasks": ["addition"], "nominalMinutes": 10, "stages": [
              {"stage": "pretrain", "tokens": 1000000, "batchTokens": 1000},
              {"stage": "eval", "k": 4},
              {"stage": "rl", "steps": 50},
              {"stage": "eval"}]}""", "test");

    @Test
    void minutesScaleTokensAndSteps() {
        Recipe twice = RECIPE.scaledTo(20);

        assertThat(twice.stage(PretrainOptions.class).tokens()).isEqualTo(2_000_000);
        assertThat(twice.stage(RlOptions.class).steps()).isEqualTo(100);
        assertThat(twice.stages().get(1)).isEqualTo(RECIPE.stages().get(1));
        assertThat(twice.scaledTo(10)).isEqualTo(RECIPE);
    }

    @Test
    void aStageNeverShrinksToNothing() {
        Recipe hurried = RECIPE.scaledTo(0.001);

        assertThat(hurried.stage(PretrainOptions.class).tokens()).isEqualTo(20_000);
        assertThat(hurried.stage(RlOptions.class).steps()).isEqualTo(2);
    }

    @Test
    void minutesNeedAMeasure() {
        Recipe without = Recipe.parse(RECIPE.toJson().replaceAll(",\\s*\"nominalMinutes\" : 10.0", ""), "test");

        assertThat(without.nominalMinutes()).isNull();
        assertThatThrownBy(() -> without.scaledTo(5))
                .isInstanceOf(LearnException.class)
                .hasMessageContaining("nominalMinutes");
        assertThatThrownBy(() -> RECIPE.scaledTo(0)).isInstanceOf(LearnException.class);
    }

    @Test
    void oneStageWithTheEvaluationThatFollows() {
        Recipe only = RECIPE.only(
                PretrainOptions.class, Json.MAPPER.createObjectNode().put("tokens", 5000));

        assertThat(only.name()).isEqualTo("small-pretrain");
        assertThat(only.stages()).hasSize(2);
        assertThat(only.stage(PretrainOptions.class).tokens()).isEqualTo(5000);
        assertThat(only.stage(EvalOptions.class).k()).isEqualTo(4);
        assertThatThrownBy(() -> RECIPE.only(
                        RlOptions.class, Json.MAPPER.createObjectNode().put("stepps", 5)))
                .hasMessageContaining("rl.stepps");
    }

    @Test
    void otherTasks() {
        assertThat(RECIPE.withTasks(List.of("countdown")).tasks()).containsExactly("countdown");
    }
}
