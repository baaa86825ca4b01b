package dev.fathom.learn.recipe;

/**
 * When reinforcement learning moves to a harder or an easier level (see {@link dev.fathom.learn.rl.LevelCurriculum}).
 *
 * @param startLevel the first level, from 1; a task with fewer levels starts at its last
 * @param raiseAt share of right responses from which the level rises
 * @param lowerAt share of right responses up to which it falls
 * @param window responses of the current level between two decisions
 * @param reviewShare share of groups drawn from easier levels, so that they are not forgotten
 */
public record CurriculumOptions(int startLevel, double raiseAt, double lowerAt, int window, double reviewShare) {
    public CurriculumOptions {
        Check.atLeast("curriculum.startLevel", startLevel, 1);
        Check.between("curriculum.raiseAt", raiseAt, 0, 1);
        Check.between("curriculum.lowerAt", lowerAt, 0, 1);
        Check.that(
                lowerAt < raiseAt,
                "curriculum.lowerAt (" + lowerAt + ") must be less than curriculum.raiseAt (" + raiseAt + ")");
        Check.atLeast("curriculum.window", window, 1);
        Check.between("curriculum.reviewShare", reviewShare, 0, 1);
    }

    /** Up at 70 %, down at 10 %. */
    public static CurriculumOptions defaults() {
        return new CurriculumOptions(1, 0.7, 0.1, 256, 0.2);
    }
}
