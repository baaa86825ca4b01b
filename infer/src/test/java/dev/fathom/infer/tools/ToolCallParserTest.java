package dev.fathom.infer.tools;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.model.chat.ChatTemplate;
import dev.fathom.model.chat.ToolCall;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** The same text gives the same calls however it is cut into pieces, and no half of a mark is ever shown. */
class ToolCallParserTest {
    private static final String HERMES = "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>";
    private static final String BLOCK =
            "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{\"a\":1}\n```"
                    + "<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>g\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>";
    private static final String PLAIN =
            "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{\"a\":1}<｜tool▁call▁end｜><｜tool▁calls▁end｜>";

    static List<Arguments> texts() {
        return List.of(
                Arguments.of(
                        ToolFormat.HERMES, "nothing but text, 1 < 2 <tool", "nothing but text, 1 < 2 <tool", List.of()),
                Arguments.of(ToolFormat.HERMES, HERMES, "", List.of("f {\"a\":1}")),
                Arguments.of(
                        ToolFormat.HERMES,
                        "Let me see.\n\n" + HERMES + "\n" + HERMES,
                        "Let me see.",
                        List.of("f {\"a\":1}", "f {\"a\":1}")),
                Arguments.of(ToolFormat.HERMES, HERMES + " and text", "and text", List.of("f {\"a\":1}")),
                Arguments.of(
                        ToolFormat.HERMES,
                        "<tool_call>no JSON</tool_call>",
                        "<tool_call>no JSON</tool_call>",
                        List.of()),
                Arguments.of(
                        ToolFormat.HERMES, "<tool_call>\n{\"name\": \"f\"", "<tool_call>\n{\"name\": \"f\"", List.of()),
                Arguments.of(ToolFormat.DEEPSEEK_BLOCK, "Well. " + BLOCK, "Well.", List.of("f {\"a\":1}", "g {}")),
                Arguments.of(ToolFormat.DEEPSEEK_PLAIN, PLAIN, "", List.of("f {\"a\":1}")));
    }

    @ParameterizedTest
    @MethodSource("texts")
    void callsAndText(ToolFormat format, String source, String text, List<String> calls) {
        for (int size = 1; size <= source.length(); size++) {
            ToolCallParser parser = new ToolCallParser(format);
            StringBuilder shown = new StringBuilder();
            List<String> found = new ArrayList<>();
            for (int at = 0; at <= source.length(); at += size) {
                ToolCallParser.Piece piece = at + size <= source.length() || at < source.length()
                        ? parser.add(source.substring(at, Math.min(source.length(), at + size)))
                        : parser.add("");
                shown.append(piece.text());
                piece.calls().forEach(call -> found.add(describe(call)));
            }
            ToolCallParser.Piece rest = parser.finish();
            shown.append(rest.text());
            rest.calls().forEach(call -> found.add(describe(call)));
            assertThat(found).as("in pieces of %d", size).isEqualTo(calls);
            assertThat(shown.toString()).as("in pieces of %d", size).isEqualTo(text);
        }
    }

    private static String describe(ToolCall call) {
        assertThat(call.id()).startsWith("call_");
        return call.name() + " " + call.arguments().replace(" ", "");
    }

    @org.junit.jupiter.api.Test
    void theTemplateSaysWhichFormat() {
        assertThat(ToolFormat.of(template("{{ tools }}<tool_call>"))).contains(ToolFormat.HERMES);
        assertThat(ToolFormat.of(template("{{ tools }}<｜tool▁call▁begin｜>```json")))
                .contains(ToolFormat.DEEPSEEK_BLOCK);
        assertThat(ToolFormat.of(template("{{ tools }}<｜tool▁call▁begin｜>"))).contains(ToolFormat.DEEPSEEK_PLAIN);
        assertThat(ToolFormat.of(template("<tool_call>"))).isEmpty();
    }

    private static ChatTemplate template(String source) {
        return ChatTemplate.parse(source, "test");
    }
}
