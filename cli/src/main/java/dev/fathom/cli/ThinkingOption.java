package dev.fathom.cli;

import dev.fathom.infer.Fathom;
import dev.fathom.model.chat.ChatTemplate;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Option;

/** The switch of models that can be told whether to think. */
final class ThinkingOption {
    @Option(names = "--no-thinking", description = "Answer at once, with models that can be told not to think before.")
    private boolean noThinking;

    boolean isGiven() {
        return noThinking;
    }

    /** Whether the model is to think first, null for what is usual with it. */
    @Nullable
    Boolean thinking(Fathom fathom) {
        if (!noThinking) {
            return null;
        }
        ChatTemplate template = fathom.chatTemplate();
        if (template == null || !template.choosesThinking()) {
            throw new CommandException(
                    ExitCode.USAGE,
                    "--no-thinking: the chat template of " + fathom.name()
                            + " has no switch for it. --thinking-budget 0"
                            + " closes thinking at once with models that think.");
        }
        return false;
    }
}
