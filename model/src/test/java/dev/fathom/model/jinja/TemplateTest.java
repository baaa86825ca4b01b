package dev.fathom.model.jinja;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.model.files.Json;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;

/** The same text as Python's Jinja gives, on recorded vectors. */
class TemplateTest {
    private static final JsonNode VECTORS = vectors();
    private static final Map<String, Object> VARIABLES = variables();

    /** What makes a difference in a template. */
    private static final String SIGNS = "{}%#'\"()[]|.,:=-+*/~ \nax0";

    private static JsonNode vectors() {
        try (InputStream in = TemplateTest.class.getResourceAsStream("vectors.json")) {
            return Json.MAPPER.readTree(in);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> variables() {
        return (Map<String, Object>) value(VECTORS.get("variables"));
    }

    private static Object value(JsonNode node) {
        if (node.isObject()) {
            Map<String, Object> map = new LinkedHashMap<>();
            node.forEachEntry((key, element) -> map.put(key, value(element)));
            return map;
        }
        if (node.isArray()) {
            List<Object> list = new ArrayList<>();
            node.forEach(element -> list.add(value(element)));
            return list;
        }
        return switch (node.getNodeType()) {
            case NULL -> null;
            case BOOLEAN -> node.booleanValue();
            case NUMBER -> node.isIntegralNumber() ? (Object) node.longValue() : (Object) node.doubleValue();
            default -> node.stringValue();
        };
    }

    static Stream<Arguments> rendered() {
        return StreamSupport.stream(VECTORS.get("rendered").spliterator(), false)
                .map(vector -> Arguments.of(
                        vector.get("template").stringValue(),
                        vector.get("expected").stringValue()));
    }

    @ParameterizedTest
    @MethodSource("rendered")
    void rendersAsPythonDoes(String template, String expected) {
        assertThat(Template.parse(template).render(VARIABLES)).isEqualTo(expected);
    }

    static Stream<String> refused() {
        return StreamSupport.stream(VECTORS.get("refused").spliterator(), false).map(JsonNode::stringValue);
    }

    @ParameterizedTest
    @MethodSource("refused")
    void refusesWhatPythonRefuses(String template) {
        assertThatThrownBy(() -> Template.parse(template).render(VARIABLES)).isInstanceOf(TemplateException.class);
    }

    @Test
    void namesWhatIsWrongAndWhere() {
        assertThatThrownBy(() -> Template.parse("a\n{{ x | nofilter }}"))
                .hasMessageStartingWith(
                        "line 2: found the filter \"nofilter\", which is not supported; known are abs,");
        assertThatThrownBy(() -> Template.parse("{% include 'x' %}"))
                .hasMessageStartingWith("line 1: found {% include %}, which is not supported");
        assertThatThrownBy(() -> Template.parse("{% if x %}\n\n"))
                .hasMessage("line 2: found the end of the template, expected the end of a block, such as {% endif %}");
        assertThatThrownBy(() -> Template.parse("\n{{ 'a").render(VARIABLES))
                .hasMessage("line 2: a string without its closing '");
        assertThatThrownBy(() -> Template.parse("{{ raise_exception('roles must alternate') }}")
                        .render(Map.of()))
                .hasMessage("line 1: the template says: roles must alternate");
        assertThatThrownBy(() -> Template.parse("\n\n{{ 'a'.encode() }}").render(Map.of()))
                .hasMessage("line 3: a string's method \"encode\" is not supported");
    }

    @Test
    void comesToAnEndWhateverTheTemplate() {
        for (String endless : List.of(
                "{% for a in range(1000000) %}{% for b in range(1000000) %}{% endfor %}{% endfor %}",
                "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
                "{{ 'a' * 10000000000 }}",
                "{{ range(100000000000) }}",
                "{{ " + "(".repeat(100_000) + "}}",
                "{{ " + "not ".repeat(100_000) + "1 }}",
                "{% if 1 %}".repeat(100_000),
                "{{ 9223372036854775807 + 1 }}",
                "{{ 99999999999999999999 }}")) {
            assertThatThrownBy(() -> Template.parse(endless).render(Map.of())).isInstanceOf(TemplateException.class);
        }
    }

    /** A template is part of a downloaded file: whatever is in it, there is an answer or an error that says what is wrong. */
    @Test
    void brokenTemplatesAreAnErrorAndNothingWorse() {
        List<String> templates = rendered().map(each -> (String) each.get()[0]).toList();
        SplittableRandom random = new SplittableRandom(51);
        for (int i = 0; i < 2000; i++) {
            StringBuilder text = new StringBuilder(templates.get(random.nextInt(templates.size())));
            for (int changes = random.nextInt(1, 4); changes > 0 && !text.isEmpty(); changes--) {
                int at = random.nextInt(text.length());
                switch (random.nextInt(3)) {
                    case 0 -> text.deleteCharAt(at);
                    case 1 -> text.setCharAt(at, SIGNS.charAt(random.nextInt(SIGNS.length())));
                    default -> text.delete(at, Math.min(text.length(), at + 20));
                }
            }
            try {
                Template.parse(text.toString()).render(VARIABLES);
            } catch (TemplateException e) {
                assertThat(e).hasMessageMatching("(?s).+");
            }
        }
    }
}
