package dev.fathom.infer.tools;

import dev.fathom.model.chat.ToolCall;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;

/**
 * Separates calls from text while an answer arrives. What might be the beginning of a mark is held back until it is clear, so that no half of
 * {@code <tool_call>} is ever shown; so is white space, which before a call belongs to the format. What looked like a call and is none, because it
 * was cut off or is no JSON, is text. Not for several threads.
 */
public final class ToolCallParser {
    private final ToolFormat format;
    private final StringBuilder held = new StringBuilder();
    private boolean inCalls;
    private boolean any;

    public ToolCallParser(ToolFormat format) {
        this.format = format;
    }

    /**
     * What became certain.
     *
     * @param text to be added to the answer
     * @param calls complete ones
     */
    public record Piece(String text, List<ToolCall> calls) {}

    /** Takes the next text of the answer. */
    public Piece add(String text) {
        held.append(text);
        return read(false);
    }

    /** The answer has ended. */
    public Piece finish() {
        return read(true);
    }

    private Piece read(boolean end) {
        StringBuilder text = new StringBuilder();
        List<ToolCall> calls = new ArrayList<>();
        boolean more = true;
        while (more) {
            more = inCalls ? readCall(text, calls, end) : readText(text, end);
        }
        return new Piece(text.toString(), calls);
    }

    /** Passes text on up to a mark; false if there is no more to do. */
    private boolean readText(StringBuilder text, boolean end) {
        int mark = -1;
        for (String candidate : format.marks()) {
            int at = held.indexOf(candidate);
            mark = at >= 0 && (mark < 0 || at < mark) ? at : mark;
        }
        if (mark >= 0) {
            String before = held.substring(0, mark);
            text.append(before.isBlank() ? "" : before.stripTrailing());
            held.delete(0, mark);
            inCalls = true;
            return true;
        }
        int certain = end ? held.length() : held.length() - uncertain();
        String passed = held.substring(0, certain);
        // Behind calls, white space is format.
        text.append(any && passed.isBlank() ? "" : passed);
        held.delete(0, certain);
        return false;
    }

    /** How much of the end may belong to a mark, with the white space before it. */
    private int uncertain() {
        int length = 0;
        for (String mark : format.marks()) {
            for (int part = Math.min(mark.length() - 1, held.length()); part > length; part--) {
                if (mark.startsWith(held.substring(held.length() - part))) {
                    length = part;
                }
            }
        }
        int from = held.length() - length;
        while (from > 0 && Character.isWhitespace(held.charAt(from - 1))) {
            from--;
        }
        return held.length() - from;
    }

    private boolean readCall(StringBuilder text, List<ToolCall> calls, boolean end) {
        for (String mark : format.between()) {
            if (held.indexOf(mark) == 0) {
                held.delete(0, mark.length());
                return true;
            }
        }
        int first = 0;
        while (first < held.length() && Character.isWhitespace(held.charAt(first))) {
            first++;
        }
        String rest = held.substring(first);
        if (first > 0 && !rest.isEmpty()) {
            held.delete(0, first);
            return true;
        }
        if (!rest.startsWith(format.callBegin())) {
            boolean mayBecome = !end
                    && (rest.isEmpty()
                            || format.callBegin().startsWith(rest)
                            || format.between().stream().anyMatch(mark -> mark.startsWith(rest)));
            inCalls = mayBecome;
            return !mayBecome && !rest.isEmpty();
        }
        int close = held.indexOf(format.callEnd());
        if (close < 0 && !end) {
            return false;
        }
        int last = close < 0 ? held.length() : close;
        ToolFormat.Written call = close < 0
                ? null
                : format.read(held.substring(format.callBegin().length(), last)).orElse(null);
        int behind = close < 0 ? last : close + format.callEnd().length();
        if (call == null) {
            text.append(held, 0, behind);
        } else {
            any = true;
            calls.add(new ToolCall(
                    "call_" + UUID.randomUUID().toString().replace("-", ""), call.name(), call.arguments()));
        }
        held.delete(0, behind);
        return !held.isEmpty();
    }
}
