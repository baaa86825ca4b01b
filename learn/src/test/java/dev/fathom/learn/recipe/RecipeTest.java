package dev.fathom.learn.recipe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.learn.LearnException;
import dev.fathom.learn.rl.PolicyLoss;
import dev.fathom.learn.task.RandomSource;
import dev.fathom.learn.task.Tasks;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RecipeTest {
    @Test
    void theBuiltInRecipeIsValidAndItsTasksExist() {
        Recipe recipe = Recipe.builtIn("r1-zero");
        assertThat(recipe.stages().stream().map(StageOptions::stage)).contains("pretrain", "rl", "eval");
        recipe.tasks().forEach(Tasks::find);
        assertThat(recipe.stage(RlOptions.class).policyLoss()).isEqualTo(PolicyLoss.plain());
    }

    @Test
    void whatIsLeftOutHasItsDefaultAlsoInside() {
        Recipe recipe = parse(
                "{\"stage\": \"rl\", \"steps\": 7, \"learningRate\": {\"peak\": 0.5}, \"clipLow\": 0.2, \"clipHigh\":"
                        + " 0.28}");
        RlOptions options = recipe.stage(RlOptions.class);
        assertThat(options.steps()).isEqualTo(7);
        assertThat(options.groupSize()).isEqualTo(RlOptions.defaults().groupSize());
        assertThat(options.learningRate().peak()).isEqualTo(0.5);
        assertThat(options.learningRate().schedule()).isEqualTo(LearningRate.Schedule.COSINE);
        assertThat(options.policyLoss().clip()).isEqualTo(new PolicyLoss.Clip(0.2, 0.28));
    }

    @Test
    void writtenAndReadAgainItIsTheSame() {
        Recipe recipe = Recipe.builtIn("r1-zero");
        assertThat(Recipe.parse(recipe.toJson(), "again")).isEqualTo(recipe);
        assertThat(recipe.toJson())
                .contains("\"lossNormalization\" : \"token\"")
                .contains("\"clipLow\" : null");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{'stage':'rl','grupSize':8}|stages[0].grupSize; known keys: advantageStd, ",
                "{'stage':'rl','learningRate':{'peek':1}}|unknown key stages[0].learningRate.peek",
                "{'stage':'rl','learningRate':3}|stages[0].learningRate must be an object, found 3",
                "{'stage':'rl','groupSize':1}|stages[0]: groupSize must be between 2 and 4096, was 1",
                "{'stage':'rl','groupSize':'8'}|stages[0].groupSize has a value of the wrong kind",
                "{'stage':'rl','groupSize':8.5}|stages[0].groupSize has a value of the wrong kind",
                "{'stage':'rl','groupSize':null}|stages[0].groupSize has a value of the wrong kind",
                "{'stage':'rl','curriculum':{'raiseAt':0.1,'lowerAt':0.5}}|curriculum.lowerAt (0.5) must be less than",
                "{'stage':'rl','clipLow':0.2}|clipLow and clipHigh must both be",
                "{'stage':'rl','lossNormalization':'words'}|stages[0].lossNormalization",
                "{'stage':'rl','steps':1,'steps':2}|Duplicate",
                "{'stage':'rl','learningRate':null}|learningRate must be an object",
                "{'stage':'sft'}|stages[0].stage must be pretrain, rl or eval, found \"sft\"",
                "{'steps':1}|stages[0].stage must be pretrain, rl or eval, found null",
                "{'stage':'eval','k':9}|k must be between 1 and 8, was 9",
                "{'stage':'pretrain','tokens':0}|tokens must be at least 1",
                "7|stages[0] must be an object",
            })
    void mistakesAreNamed(String stage, String message) {
        assertThatThrownBy(() -> parse(stage.replace('\'', '"')))
                .isInstanceOf(LearnException.class)
                .hasMessageStartingWith("my.json: ")
                .hasMessageContaining(message);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{|my.json: ",
                "[]|a recipe must be a JSON object",
                "{}|tasks must be a list, found null",
                "{'name':'x','tasks':[],'stages':[]}|tasks must name at least one task",
                "{'name':'x','tasks':[3],'stages':[]}|tasks must be a list of names",
                "{'name':'X Y','tasks':['a'],'stages':[{'stage':'eval'}]}|name must be lower-case",
                "{'name':'x','tasks':['a'],'model':3,'stages':[{'stage':'eval'}]}|model must be an object",
                "{'nmae':'x'}|unknown key nmae; known keys: model, name, ",
                "{'name':'x','tasks':['a'],'stages':[{'stage':'eval'}]} x|my.json: ",
            })
    void aBrokenFileIsNamed(String json, String message) {
        assertThatThrownBy(() -> Recipe.parse(json.replace('\'', '"'), "my.json"))
                .isInstanceOf(LearnException.class)
                .hasMessageContaining(message);
    }

    @Test
    void filesAreRead(@TempDir Path folder) throws Exception {
        Path file = folder.resolve("recipe.json");
        assertThatThrownBy(() -> Recipe.read(file)).hasMessage("There is no recipe file " + file + ".");
        Files.writeString(file, Recipe.builtIn("r1-zero").toJson());
        assertThat(Recipe.read(file)).isEqualTo(Recipe.builtIn("r1-zero"));
        assertThatThrownBy(() -> Recipe.builtIn("../r1-zero")).hasMessageContaining("There is no recipe");
    }

    @Test
    void schedules() {
        LearningRate cosine = new LearningRate(LearningRate.Schedule.COSINE, 2, 0.1, 0.1, 0);
        assertThat(cosine.at(0.05)).isCloseTo(1, within(1e-6));
        assertThat(cosine.at(0.1)).isEqualTo(2);
        assertThat(cosine.at(0.55)).isCloseTo(1.1, within(1e-6));
        assertThat(cosine.at(1)).isCloseTo(0.2, within(1e-6));
        LearningRate wsd = new LearningRate(LearningRate.Schedule.WSD, 2, 0.1, 0, 0.2);
        assertThat(wsd.at(0.5)).isEqualTo(2);
        assertThat(wsd.at(0.9)).isCloseTo(1, within(1e-6));
        assertThat(wsd.at(1)).isZero();
        assertThat(new LearningRate(LearningRate.Schedule.CONSTANT, 2, 0, 0, 0).at(1))
                .isEqualTo(2);
    }

    @Test
    void levelsAreDrawnByWeight() {
        int[] counts = new int[4];
        for (int i = 0; i < 10_000; i++) {
            counts[PretrainOptions.defaults().drawLevel(RandomSource.at(1, 1, i), 3)]++;
        }
        assertThat(counts[1]).isBetween(1850, 2150);
        assertThat(counts[2]).isBetween(1850, 2150);
        assertThat(counts[3]).isBetween(5800, 6200);
    }

    private static Recipe parse(String stage) {
        return Recipe.parse("{\"name\": \"x\", \"tasks\": [\"addition\"], \"stages\": [" + stage + "]}", "my.json");
    }
}
