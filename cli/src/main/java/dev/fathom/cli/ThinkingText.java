package dev.fathom.cli;

import dev.fathom.learn.reward.ResponseFormat;

/**
 * Shows a response piece by piece as it is generated: on a terminal thinking is dimmed and the tags are left out, elsewhere the text is as the
 * model wrote it. A tag always arrives in one piece, because it is one token.
 */
final class ThinkingText {
    private final boolean styled;
    private boolean thinking;

    ThinkingText(Screen screen) {
        this.styled = screen.isStyled();
    }

    /** What to print for the next piece of the response. */
    String show(String piece, Screen screen) {
        if (!styled) {
            return piece;
        }
        return switch (piece) {
            case ResponseFormat.THINK -> {
                thinking = true;
                yield "";
            }
            case ResponseFormat.END_THINK -> {
                thinking = false;
                yield " ";
            }
            case ResponseFormat.ANSWER, ResponseFormat.END_ANSWER -> "";
            default -> thinking ? screen.dim(piece) : screen.bold(piece);
        };
    }

    /** A whole response. */
    static String styled(String response, Screen screen) {
        ThinkingText text = new ThinkingText(screen);
        StringBuilder shown = new StringBuilder();
        for (String piece : response.split("(?=</?(?:think|answer)>)|(?<=<think>|</think>|<answer>|</answer>)", -1)) {
            shown.append(text.show(piece, screen));
        }
        return shown.toString();
    }
}
