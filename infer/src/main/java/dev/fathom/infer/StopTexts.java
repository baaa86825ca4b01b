package dev.fathom.infer;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** Looks for the texts that end an answer while it arrives, and holds back what might become one of them. Not for several threads. */
final class StopTexts {
    private final List<String> stops;
    private final StringBuilder held = new StringBuilder();
    private @Nullable String found;

    StopTexts(List<String> stops) {
        this.stops = stops;
    }

    /** The stop text that came, null while none did. */
    @Nullable
    String found() {
        return found;
    }

    /** What of the answer so far is certain: everything before a stop text, nothing of it or behind it. */
    String add(String text) {
        if (stops.isEmpty()) {
            return text;
        }
        if (found != null) {
            return "";
        }
        held.append(text);
        int first = held.length();
        for (String stop : stops) {
            int at = held.indexOf(stop);
            // Of two at the same place the longer one, so that the order in which they are given does not matter.
            if (at >= 0 && (at < first || (at == first && found != null && stop.length() > found.length()))) {
                first = at;
                found = stop;
            }
        }
        return take(found != null ? first : held.length() - beginnings());
    }

    /** The answer has ended; what was held back is no stop text. */
    String finish() {
        return take(found == null ? held.length() : 0);
    }

    private String take(int count) {
        String certain = held.substring(0, count);
        held.delete(0, count);
        return certain;
    }

    /** Length of the longest end of the text that a stop text begins with. */
    private int beginnings() {
        int longest = 0;
        for (String stop : stops) {
            for (int length = Math.min(stop.length() - 1, held.length()); length > longest; length--) {
                if (stop.startsWith(held.substring(held.length() - length))) {
                    longest = length;
                }
            }
        }
        return longest;
    }
}
