package dev.fathom.infer.grammar;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.networknt.schema.Schema;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SpecificationVersion;
import dev.fathom.engine.Philox;
import dev.fathom.infer.TokenConstraint;
import dev.fathom.model.tokenizer.BytePairTrainer;
import dev.fathom.model.tokenizer.CharacterTokenizer;
import dev.fathom.model.tokenizer.SpecialTokens;
import dev.fathom.model.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Whatever is drawn from what a grammar allows fulfils the schema: a validator says so, which knows nothing of grammars. */
class GrammarTest {
    private static final JsonMapper JSON = JsonMapper.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();
    private static final SchemaRegistry VALIDATOR =
            SchemaRegistry.withDefaultDialect(SpecificationVersion.DRAFT_2020_12);

    private static final Tokenizer CHARACTERS = CharacterTokenizer.of(printable(), SpecialTokens.REASONING);
    private static final Tokenizer PAIRS =
            new BytePairTrainer(600, SpecialTokens.REASONING).add("""
                    {"name": "größe", "id": 17, "list": [1, 2, 3], "value": {"a": true, "b": null}, "text": "a\\"b\\n"}
                    {"name": "red", "id": -12.5, "children": [{"value": "x"}, {"value": "y"}], "next": {}, "日本": "日本"}
                    """.repeat(3)).train();

    private static String printable() {
        StringBuilder text = new StringBuilder("\näöüßé日本✓");
        for (char c = ' '; c < 0x7f; c++) {
            text.append(c);
        }
        return text.toString();
    }

    @ParameterizedTest
    @CsvSource({"0, 500", "500, 500"})
    void everyAnswerFulfilsItsSchema(int from, int count) {
        check(from, count);
    }

    @Tag("long")
    @Test
    void everyAnswerFulfilsItsSchemaForLong() {
        check(10_000, 20_000);
    }

    private static void check(int from, int count) {
        TokenTable characters = TokenTable.of(CHARACTERS);
        TokenTable pairs = TokenTable.of(PAIRS);
        int longest = 0;
        for (int i = from; i < from + count; i++) {
            JsonNode schema = RandomSchema.number(i);
            Schema validator = VALIDATOR.getSchema(schema);
            for (Tokenizer tokenizer : List.of(CHARACTERS, PAIRS)) {
                GrammarConstraint constraint =
                        SchemaCompiler.compile(schema, tokenizer == CHARACTERS ? characters : pairs);
                for (int limit : new int[] {
                    constraint.leastTokens(), constraint.leastTokens() + 5, constraint.leastTokens() + 150
                }) {
                    String text = tokenizer.decode(draw(constraint, tokenizer, limit, i));
                    longest = Math.max(longest, text.length());
                    JsonNode answer;
                    try {
                        answer = JSON.readTree(text);
                    } catch (RuntimeException e) {
                        throw new AssertionError("schema " + i + " " + schema + "\nanswer " + text, e);
                    }
                    assertThat(validator.validate(
                                    answer,
                                    context -> context.executionConfig(config -> config.formatAssertionsEnabled(true))))
                            .as("schema %d %s%nanswer %s", i, schema, text)
                            .isEmpty();
                }
            }
        }
        assertThat(longest).as("else nothing but the shortest texts was seen").isGreaterThan(100);
    }

    /** Draws tokens at random, all that are allowed alike, until nothing else is allowed or it may end and a coin says so. */
    private static int[] draw(TokenConstraint constraint, Tokenizer tokenizer, int limit, long seed) {
        TokenConstraint.State state = constraint.start();
        List<Integer> tokens = new ArrayList<>();
        while (true) {
            long[] mask = new long[(tokenizer.vocabularySize() + 63) / 64];
            int remaining = limit - tokens.size();
            if (remaining > 1) {
                state.allow(mask, remaining);
            }
            java.util.BitSet allowed = java.util.BitSet.valueOf(mask);
            float uniform = Philox.uniform(seed, 1, tokens.size(), limit);
            if (allowed.isEmpty() || (state.mayEnd() && uniform < 0.3)) {
                assertThat(state.mayEnd()).as("a way on, after %s", tokens).isTrue();
                return tokens.stream().mapToInt(Integer::intValue).toArray();
            }
            int[] ids = allowed.stream().toArray();
            int token = ids[(int) (Philox.uniform(seed, 2, tokens.size(), limit) * ids.length)];
            tokens.add(token);
            state = state.next(token);
        }
    }

    @Test
    void whatIsNotKeptIsRefusedByItsPlace() {
        refused("{\"type\": \"array\", \"uniqueItems\": true}", ".uniqueItems", "not supported");
        refused("{\"properties\": {\"a\": {\"not\": {}}}}", ".properties.a.not", "not supported");
        refused("{\"type\": \"text\"}", ".type", "expected one of");
        refused("{\"type\": \"integer\", \"minimum\": 3, \"maximum\": 2}", "", "no number");
        refused("{\"type\": \"integer\", \"minimum\": 11, \"maximum\": 19, \"multipleOf\": 10}", "", "no number");
        refused("{\"type\": \"string\", \"pattern\": \"(?=a)\"}", ".pattern", "group");
        refused("{\"type\": \"string\", \"pattern\": \"^é$\"}", ".pattern", "ASCII");
        refused("{\"type\": \"string\", \"format\": \"iri\"}", ".format", "expected one of");
        refused("{\"$ref\": \"#/nowhere\"}", ".$ref", "expected a place");
        refused("{\"$ref\": \"#\"}", "", "no meaning");
        refused(
                "{\"type\": \"object\", \"properties\": {\"a\": {\"$ref\": \"#\"}}, \"required\": [\"a\"]}",
                "",
                "no finite text");
        refused("{\"enum\": [1, 2], \"type\": \"string\"}", ".enum", "no value");
        refused("{\"oneOf\": [{\"type\": \"string\"}, {\"type\": \"string\"}]}", ".oneOf[1]", "anyOf");
        refused("{\"type\": \"object\", \"required\": [\"a\"], \"additionalProperties\": false}", ".required", "\"a\"");
    }

    private static void refused(String schema, String path, String message) {
        assertThatThrownBy(() -> SchemaCompiler.compile(JSON.readTree(schema), TokenTable.of(CHARACTERS)))
                .isInstanceOfSatisfying(
                        SchemaException.class, e -> assertThat(e.path()).isEqualTo(path))
                .hasMessageContaining(message);
    }

    @Test
    void aVocabularyWithoutBracesCannotWriteJson() {
        TokenTable digits = TokenTable.of(CharacterTokenizer.of("0123456789+-=", SpecialTokens.REASONING));
        assertThatThrownBy(() -> SchemaCompiler.anyObject(digits)).hasMessageContaining("no token \"{\"");
    }

    @Test
    void whatTheModelWouldWriteAnywayIsAllowed() {
        JsonNode schema = JSON.readTree("""
                {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0},
                 "tags": {"type": "array", "items": {"enum": ["a", "b"]}}}, "required": ["name", "age"], "additionalProperties": false}
                """);
        for (String text : List.of(
                "{\"name\":\"Ann\",\"age\":7}",
                "{\"name\": \"A\\u00e9\\n\", \"age\": 70, \"tags\": [\"a\", \"b\"]}",
                "{\n  \"name\": \"größe\",\n  \"age\": 0,\n  \"tags\": [\n    \"a\"\n  ]\n}")) {
            assertThat(accepts(schema, text)).as(text).isTrue();
        }
        for (String text : List.of(
                "{\"age\":7}",
                "{\"name\":\"Ann\",\"age\":-7}",
                "{\"name\":\"Ann\",\"age\":07}",
                "{\"name\":\"Ann\",\"age\":7,}",
                "{\"name\":\"Ann\",\"age\":7,\"x\":1}",
                "{\"name\":\"\\ud800\",\"age\":7}")) {
            assertThat(accepts(schema, text)).as(text).isFalse();
        }
    }

    private static boolean accepts(JsonNode schema, String text) {
        TokenTable table = TokenTable.of(PAIRS);
        TokenConstraint.State state = SchemaCompiler.compile(schema, table).start();
        for (int token : PAIRS.encode(text)) {
            long[] mask = new long[table.words()];
            state.allow(mask, 1000);
            if ((mask[token >> 6] >> token & 1) == 0) {
                return false;
            }
            state = state.next(token);
        }
        return state.mayEnd();
    }
}
