package dev.fathom.infer;

import dev.fathom.model.chat.ChatMessage;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A conversation with its history. By DeepSeek's rule an earlier turn is kept as what was answered; what was thought is left out. A turn that was
 * cut short stays with what there is of its answer; one that failed, or was cut before it had one, is as if it had not been. From any thread.
 */
public final class ChatSession {
    private final Fathom fathom;
    private final List<ChatMessage> history = new ArrayList<>();
    private @Nullable Reply last;

    /** @param system instructions, or null for none */
    ChatSession(Fathom fathom, @Nullable String system) {
        this.fathom = fathom;
        if (system != null) {
            history.add(ChatMessage.system(system));
        }
    }

    /**
     * Says something to the model; the turn before must have ended.
     *
     * @param thinking whether the model is to think first, null for what is usual with it
     * @throws IllegalStateException if it has not
     */
    public synchronized Reply ask(String message, Sampling sampling, @Nullable Boolean thinking) {
        if (last != null && !last.isDone()) {
            throw new IllegalStateException("the turn before has not ended: wait for it or cancel it");
        }
        List<ChatMessage> messages = new ArrayList<>(history);
        messages.add(ChatMessage.user(message));
        Reply reply = fathom.chat(messages, sampling, thinking, answered -> {
            if (!answered.answer().isEmpty()) {
                synchronized (this) {
                    history.add(ChatMessage.user(message));
                    history.add(ChatMessage.assistant(answered.answer(), null));
                }
            }
        });
        last = reply;
        return reply;
    }

    /** What was said so far. */
    public synchronized List<ChatMessage> history() {
        return List.copyOf(history);
    }

    /** Forgets what was said, but not the instructions. */
    public synchronized void clear() {
        history.removeIf(message -> !message.role().equals("system"));
    }
}
