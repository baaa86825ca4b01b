package dev.fathom.cli;

import dev.fathom.learn.reward.ResponseFormat;
import java.util.List;

/**
 * Shows a response piece by piece as it is generated: on a terminal the thinking is dimmed, the answer is bold and the tags around them are left
 * out; elsewhere, and where tags stand in the wrong place, the text is as the model wrote it. A tag always arrives in one piece, because it is one
 * token.
 */
final class ThinkingText {
    private static final List<String> TAGS =
            List.of(ResponseFormat.THINK, ResponseFormat.END_THINK, ResponseFormat.ANSWER, ResponseFormat.END_ANSWER);
    private static final int THINKING = 1;
    private static final int ANSWERING = 3;

    private final Screen screen;
    private int tagsSeen;

    ThinkingText(Screen screen) {
        this.screen = screen;
    }

    /** What to print for the next piece of the response. */
    String show(String piece) {
        if (!screen.isStyled() || piece.isEmpty()) {
            return piece;
        }
        if (tagsSeen < TAGS.size() && piece.equals(TAGS.get(tagsSeen))) {
            tagsSeen++;
            return piece.equals(ResponseFormat.ANSWER) ? " " : "";
        }
        return switch (tagsSeen) {
            case THINKING -> screen.dim(piece);
            case ANSWERING -> screen.bold(piece);
            default -> piece;
        };
    }

    /** A whole response. */
    static String styled(String response, Screen screen) {
        ThinkingText text = new ThinkingText(screen);
        StringBuilder shown = new StringBuilder();
        for (String piece : response.split("(?=</?(?:think|answer)>)|(?<=<think>|</think>|<answer>|</answer>)", -1)) {
            shown.append(text.show(piece));
        }
        return shown.toString();
    }
}
