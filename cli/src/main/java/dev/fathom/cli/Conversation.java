package dev.fathom.cli;

import dev.fathom.infer.ChatSession;
import dev.fathom.infer.Fathom;
import dev.fathom.infer.FinishReason;
import dev.fathom.infer.GenerationEvent.Tokens;
import dev.fathom.infer.GenerationException;
import dev.fathom.infer.Reply;
import dev.fathom.infer.Sampling;
import dev.fathom.model.files.ModelFileException;
import org.jspecify.annotations.Nullable;

/** A conversation with a released model, which remembers what was said. */
final class Conversation {
    private final Screen screen;
    private final ChatSession session;
    private final Sampling sampling;
    private final @Nullable Boolean thinking;

    /**
     * @param system instructions, or null for none
     * @param thinking whether the model is to think first, null for what is usual with it
     */
    Conversation(Screen screen, Fathom fathom, Sampling sampling, @Nullable String system, @Nullable Boolean thinking) {
        this.screen = screen;
        this.session = fathom.session(system);
        this.sampling = sampling;
        this.thinking = thinking;
    }

    /** Reads messages until {@code exit} or the end of input. */
    void loop() {
        TypedLines.read(screen.terminals(), line -> {
            if (line.equals("/clear")) {
                session.clear();
            } else {
                ask(line);
            }
        });
    }

    private void ask(String message) {
        try {
            answer(message);
        } catch (IllegalArgumentException | ModelFileException e) {
            screen.note("The model cannot read this: " + e.getMessage());
        } catch (GenerationException e) {
            screen.note("The answer failed: " + e.getMessage());
        }
    }

    /** Streams the answer to a message. */
    void answer(String message) {
        Reply reply = session.ask(message, sampling, thinking);
        TypedLines.stoppable(reply::cancel, () -> {
            ReplyText text = new ReplyText(screen);
            for (Tokens piece : reply) {
                screen.text(text.show(piece));
            }
            screen.line(text.finish());
        });
        Reply.Completed whole = reply.await();
        if (whole.reason() == FinishReason.LENGTH) {
            screen.note("(cut off after " + whole.tokens().size() + " tokens"
                    + (whole.thinkingCut() ? ", while it was thinking)" : ")"));
        } else if (whole.reason() == FinishReason.CANCELLED) {
            screen.note("(stopped)");
        }
    }
}
