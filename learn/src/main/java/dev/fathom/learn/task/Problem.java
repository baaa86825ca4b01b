package dev.fathom.learn.task;

/**
 * One problem of a {@link Task}.
 *
 * @param prompt what the model is shown, for example {@code 34*27=}
 * @param canonical the problem's one name: equal for problems that are the same problem in another guise ({@code 34*27}
 *     and {@code 27*34}). {@link Split} decides by it whether a problem is for training or held out.
 * @param level 1 (easiest) to {@link Task#levels()}
 * @param data what the task needs for grading and solving, usually a small record of its own
 */
public record Problem(String prompt, String canonical, int level, Object data) {
    /** The task's own data; a problem made by another task is a programming error and fails here. */
    public <T> T data(Class<T> type) {
        return type.cast(data);
    }
}
