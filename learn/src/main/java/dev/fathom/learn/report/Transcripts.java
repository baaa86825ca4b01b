package dev.fathom.learn.report;

import dev.fathom.learn.reward.ResponseFormat;
import dev.fathom.learn.reward.ResponseFormat.Parsed;
import dev.fathom.learn.run.Sample;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;

/** The same problems before and after: thinking dimmed, then the answer, right or wrong. */
final class Transcripts {
    private static final int PROBLEMS = 6;
    // Keeps the page small, should a model ramble.
    private static final int MAX_CHARACTERS = 3000;

    private Transcripts() {}

    static String html(RunData data) {
        if (data.models().size() < 2) {
            return "";
        }
        String first = data.models().getFirst().label();
        String last = data.models().getLast().label();
        Map<String, Sample> before = hardest(data.samples(), first);
        Map<String, Sample> after = hardest(data.samples(), last);
        List<Map.Entry<String, Sample>> shown = before.entrySet().stream()
                .filter(entry -> after.containsKey(entry.getKey()))
                .limit(PROBLEMS)
                .toList();
        if (shown.isEmpty()) {
            return "";
        }
        StringBuilder html = new StringBuilder("<p class=\"note\">The first ")
                .append(shown.size())
                .append(" held-out problems of the hardest level on file, not a selection.</p>\n");
        for (Map.Entry<String, Sample> entry : shown) {
            html.append("<article>\n<h3>").append(Html.escape(entry.getKey())).append("</h3>\n");
            response(html, first, entry.getValue());
            response(html, last, Objects.requireNonNull(after.get(entry.getKey())));
            html.append("</article>\n");
        }
        return html.toString();
    }

    /** A model's samples of the highest level of each task, one per problem, tasks in turn. */
    private static Map<String, Sample> hardest(List<Sample> samples, String label) {
        Map<String, Integer> highest = new LinkedHashMap<>();
        samples.forEach(sample -> highest.merge(sample.task(), sample.level(), Math::max));
        Map<String, List<Sample>> byTask = new LinkedHashMap<>();
        for (String task : highest.keySet()) {
            byTask.put(
                    task,
                    samples.stream()
                            .filter(s ->
                                    s.label().equals(label) && s.task().equals(task) && s.level() == highest.get(task))
                            .toList());
        }
        Map<String, Sample> byPrompt = new LinkedHashMap<>();
        int longest = byTask.values().stream().mapToInt(List::size).max().orElse(0);
        for (int i = 0; i < longest; i++) {
            for (List<Sample> ofTask : byTask.values()) {
                if (i < ofTask.size()) {
                    byPrompt.putIfAbsent(ofTask.get(i).prompt(), ofTask.get(i));
                }
            }
        }
        return byPrompt;
    }

    private static void response(StringBuilder html, String label, Sample sample) {
        html.append("<div class=\"response\"><p class=\"who\">")
                .append(Html.escape(label))
                .append(" <span>");
        html.append(sample.tokens()).append(" tokens</span></p>\n<p class=\"text\">");
        switch (ResponseFormat.parse(sample.response())) {
            case Parsed.WellFormed(String thinking, String answer) -> {
                String shown = thinking.isEmpty() ? "(no thinking)" : cut(thinking);
                html.append("<span class=\"think\">")
                        .append(Html.escape(shown))
                        .append("</span> <span class=\"answer ");
                html.append(sample.correct() ? "right\">" : "wrong\">").append(Html.escape(answer));
                html.append(sample.correct() ? " ✓" : " ✗").append("</span>");
            }
            case Parsed.Malformed(ResponseFormat.Flaw flaw) -> {
                html.append("<span class=\"think\">")
                        .append(Html.escape(cut(sample.response())))
                        .append("</span> ");
                html.append("<span class=\"answer wrong\">✗ ");
                html.append(flaw.name().toLowerCase(Locale.ROOT).replace('_', ' '));
                html.append("</span>");
            }
        }
        html.append("</p></div>\n");
    }

    private static String cut(String text) {
        return text.length() <= MAX_CHARACTERS
                ? text
                : text.substring(0, MAX_CHARACTERS) + "… (" + (text.length() - MAX_CHARACTERS) + " more characters)";
    }
}
