package dev.fathom.cli;

import dev.fathom.infer.GenerationEvent.Tokens;

/**
 * Shows a response piece by piece as it is generated, thinking before answer: dimmed on a terminal; elsewhere between tags, as models write it, so that
 * a program can tell them apart.
 */
final class ReplyText {
    private final Screen screen;
    private boolean thinking;

    ReplyText(Screen screen) {
        this.screen = screen;
    }

    /** What to print for a piece. */
    String show(Tokens piece) {
        StringBuilder text = new StringBuilder();
        if (!piece.thinking().isEmpty()) {
            if (!thinking && !screen.isStyled()) {
                text.append("<think>\n");
            }
            thinking = true;
            text.append(screen.dim(piece.thinking()));
        }
        if (!piece.answer().isEmpty()) {
            text.append(endOfThinking()).append(piece.answer());
        }
        return text.toString();
    }

    /** What to print at the end of a response. */
    String finish() {
        return endOfThinking();
    }

    private String endOfThinking() {
        if (!thinking) {
            return "";
        }
        thinking = false;
        return screen.isStyled() ? "\n\n" : "\n</think>\n\n";
    }
}
