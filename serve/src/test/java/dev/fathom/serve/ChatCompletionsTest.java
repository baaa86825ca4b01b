package dev.fathom.serve;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;

/** Chat, streamed and whole, over a real connection. */
class ChatCompletionsTest {
    private static TinyServer tiny;

    @BeforeAll
    static void start() {
        tiny = TinyServer.start();
    }

    @AfterAll
    static void stop() {
        tiny.close();
    }

    private static String request(String more) {
        return "{\"model\": \"tiny\", \"messages\": [{\"role\": \"user\", \"content\": \"Hello\"}], \"seed\": 7,"
                + " \"max_tokens\": 60, \"thinking\": {\"type\": \"enabled\", \"budget_tokens\": 20}" + more + "}";
    }

    @Test
    void anAnswerHasThinkingApartAndAUsageThatAddsUp() {
        JsonNode response = tiny.chat(request(""));
        JsonNode message = response.at("/choices/0/message");
        assertThat(response.path("object").asString()).isEqualTo("chat.completion");
        assertThat(response.path("id").asString()).startsWith("chatcmpl-");
        assertThat(response.path("system_fingerprint").asString()).startsWith("fp_");
        assertThat(message.path("role").asString()).isEqualTo("assistant");
        assertThat(message.path("reasoning_content").asString()).isNotEmpty().doesNotContain("</think>");
        assertThat(message.path("content").asString()).isNotEmpty();
        JsonNode usage = response.path("usage");
        assertThat(usage.path("completion_tokens").asInt()).isPositive().isLessThanOrEqualTo(60);
        assertThat(usage.at("/completion_tokens_details/reasoning_tokens").asInt())
                .isBetween(20, 22);
        assertThat(usage.path("prompt_cache_hit_tokens").asInt()
                        + usage.path("prompt_cache_miss_tokens").asInt())
                .isEqualTo(usage.path("prompt_tokens").asInt());
        assertThat(usage.path("total_tokens").asInt())
                .isEqualTo(usage.path("prompt_tokens").asInt()
                        + usage.path("completion_tokens").asInt());
    }

    @Test
    void aStreamSaysTheSameAsTheWhole() {
        JsonNode whole = tiny.chat(request(""));
        List<JsonNode> chunks = tiny.stream(
                "/v1/chat/completions", request(", \"stream\": true, \"stream_options\": {\"include_usage\": true}"));
        StringBuilder thinking = new StringBuilder();
        StringBuilder content = new StringBuilder();
        boolean answering = false;
        for (JsonNode chunk : chunks.subList(0, chunks.size() - 1)) {
            assertThat(chunk.path("object").asString()).isEqualTo("chat.completion.chunk");
            assertThat(chunk.path("id")).isEqualTo(chunks.getFirst().path("id"));
            JsonNode delta = chunk.at("/choices/0/delta");
            thinking.append(delta.path("reasoning_content").asString(""));
            content.append(delta.path("content").asString(""));
            answering |= !delta.path("content").asString("").isEmpty();
            assertThat(answering && delta.has("reasoning_content"))
                    .as("thinking after an answer")
                    .isFalse();
        }
        assertThat(chunks.getFirst().at("/choices/0/delta/role").asString()).isEqualTo("assistant");
        assertThat(thinking.toString())
                .isEqualTo(whole.at("/choices/0/message/reasoning_content").asString());
        assertThat(content.toString())
                .isEqualTo(whole.at("/choices/0/message/content").asString());
        JsonNode last = chunks.getLast();
        assertThat(last.path("choices")).isEmpty();
        assertThat(last.at("/usage/completion_tokens")).isEqualTo(whole.at("/usage/completion_tokens"));
        assertThat(chunks.get(chunks.size() - 2).at("/choices/0/finish_reason"))
                .isEqualTo(whole.at("/choices/0/finish_reason"));
    }

    @Test
    void theSameSeedGivesTheSameAnswer() {
        String once = tiny.chat(request("")).at("/choices/0/message").toString();
        assertThat(tiny.chat(request("")).at("/choices/0/message").toString()).isEqualTo(once);
        assertThat(tiny.chat(request("").replace("\"seed\": 7", "\"seed\": 8"))
                        .at("/choices/0/message")
                        .toString())
                .isNotEqualTo(once);
    }

    @Test
    void severalAnswersAtOnce() {
        JsonNode response = tiny.chat(request(", \"n\": 3"));
        assertThat(response.path("choices")).hasSize(3);
        assertThat(response.at("/choices/0/message")).isNotEqualTo(response.at("/choices/1/message"));
        assertThat(response.at("/choices/2/index").asInt()).isEqualTo(2);
        // The prompt counts once.
        assertThat(response.at("/usage/prompt_tokens"))
                .isEqualTo(tiny.chat(request("")).at("/usage/prompt_tokens"));
        assertThat(tiny.stream("/v1/chat/completions", request(", \"n\": 3, \"stream\": true")).stream()
                        .map(chunk -> chunk.at("/choices/0/index").asInt())
                        .distinct())
                .containsExactlyInAnyOrder(0, 1, 2);
    }

    @Test
    void thinkingCanBeTurnedOff() {
        JsonNode response = tiny.chat(request("").replace("\"enabled\", \"budget_tokens\": 20", "\"disabled\""));
        assertThat(response.at("/choices/0/message").has("reasoning_content")).isFalse();
        assertThat(response.at("/usage/completion_tokens_details/reasoning_tokens")
                        .asInt())
                .isZero();
        JsonNode none = tiny.chat("{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}], \"max_tokens\": 9,"
                + " \"reasoning_effort\": \"none\"}");
        assertThat(none.at("/choices/0/message").has("reasoning_content")).isFalse();
    }

    @Test
    void thinkingThatIsCutHasNoAnswer() {
        JsonNode response = tiny.chat(
                "{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}], \"max_tokens\": 9," + " \"seed\": 3}");
        assertThat(response.at("/choices/0/finish_reason").asString()).isEqualTo("length");
        assertThat(response.at("/choices/0/message/content").asString()).isEmpty();
        assertThat(response.at("/choices/0/message/reasoning_content").asString())
                .isNotEmpty();
    }

    @Test
    void logProbabilitiesOfEveryToken() {
        JsonNode response = tiny.chat(request(", \"logprobs\": true, \"top_logprobs\": 3"));
        JsonNode logProbs = response.at("/choices/0/logprobs");
        assertThat(logProbs.path("content").size()
                        + logProbs.path("reasoning_content").size())
                .isEqualTo(response.at("/usage/completion_tokens").asInt());
        JsonNode token = logProbs.at("/content/0");
        assertThat(token.path("top_logprobs")).hasSize(3);
        assertThat(token.path("logprob").asDouble())
                .isLessThanOrEqualTo(token.at("/top_logprobs/0/logprob").asDouble())
                .isNegative();
        int streamed = tiny.stream(
                        "/v1/chat/completions", request(", \"logprobs\": true, \"top_logprobs\": 3, \"stream\": true"))
                .stream()
                .mapToInt(chunk -> chunk.at("/choices/0/logprobs/content").size()
                        + chunk.at("/choices/0/logprobs/reasoning_content").size())
                .sum();
        assertThat(streamed).isEqualTo(response.at("/usage/completion_tokens").asInt());
    }

    @Test
    void stopTextsEndTheAnswerAndAreNotInIt() {
        String answer = tiny.chat(request("")).at("/choices/0/message/content").asString();
        String stop = answer.substring(3, 5);
        JsonNode stopped = tiny.chat(request(", \"stop\": [" + TinyServer.JSON.writeValueAsString(stop) + "]"));
        assertThat(stopped.at("/choices/0/message/content").asString())
                .isEqualTo(answer.substring(0, answer.indexOf(stop)));
        assertThat(stopped.at("/choices/0/finish_reason").asString()).isEqualTo("stop");
    }

    @Test
    void aPrefixIsGoneOnFrom() {
        JsonNode response =
                tiny.chat("{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}, {\"role\": \"assistant\","
                        + " \"content\": \"The answer\", \"prefix\": true}], \"max_tokens\": 9, \"seed\": 1}");
        assertThat(response.at("/choices/0/message/content").asString()).isNotEmpty();
        assertThat(response.at("/choices/0/message").has("reasoning_content")).isFalse();
        JsonNode thinking =
                tiny.chat("{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}, {\"role\": \"assistant\","
                        + " \"content\": \"\", \"reasoning_content\": \"Well,\", \"prefix\": true}], \"max_tokens\": 9,"
                        + " \"thinking\": {\"type\": \"enabled\", \"budget_tokens\": 4}}");
        assertThat(thinking.at("/choices/0/message/reasoning_content").asString())
                .isNotEmpty();
    }

    @Test
    void theSamePromptIsFoundInTheCache() {
        String long1 = "{\"messages\": [{\"role\": \"user\", \"content\": \"" + "the quick brown fox ".repeat(20)
                + "\"}], \"max_tokens\": 4}";
        tiny.chat(long1);
        assumeTrue(tiny.engine.status().positionsCached() > 0, "this engine keeps nothing");
        assertThat(tiny.chat(long1).at("/usage/prompt_cache_hit_tokens").asInt())
                .isPositive();
    }

    @Test
    void aJsonObject() {
        for (int seed = 0; seed < 10; seed++) {
            JsonNode response = tiny.chat(request(", \"response_format\": {\"type\": \"json_object\"}")
                    .replace("\"seed\": 7", "\"seed\": " + seed));
            String content = response.at("/choices/0/message/content").asString();
            assertThat(TinyServer.JSON.readTree(content).isObject()).as(content).isTrue();
            assertThat(response.at("/choices/0/finish_reason").asString()).isEqualTo("stop");
        }
    }

    @Test
    void aJsonSchema() {
        String schema = "{\"type\": \"object\", \"properties\": {\"name\": {\"type\": \"string\"}, \"age\": {\"type\":"
                + " \"integer\", \"minimum\": 0, \"maximum\": 120}}, \"required\": [\"name\", \"age\"],"
                + " \"additionalProperties\": false}";
        JsonNode response = tiny.chat(request(", \"response_format\": {\"type\": \"json_schema\", \"json_schema\":"
                + " {\"name\": \"person\", \"strict\": true, \"schema\": " + schema + "}}"));
        JsonNode person = TinyServer.JSON.readTree(
                response.at("/choices/0/message/content").asString());
        assertThat(person.path("name").isString()).isTrue();
        assertThat(person.path("age").asInt()).isBetween(0, 120);
        assertThat(response.at("/choices/0/message/reasoning_content").asString())
                .isNotEmpty();
    }

    private static final String TOOLS = ", \"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"weather\","
            + " \"description\": \"The weather\", \"parameters\": {\"type\": \"object\", \"properties\": {\"city\":"
            + " {\"enum\": [\"Rome\", \"Oslo\"]}}, \"required\": [\"city\"]}}}]";

    @Test
    void aCallThatIsRequired() {
        String body =
                request(TOOLS + ", \"tool_choice\": \"required\"").replace("\"max_tokens\": 60", "\"max_tokens\": 200");
        JsonNode choice = tiny.chat(body).at("/choices/0");
        assertThat(choice.path("finish_reason").asString())
                .as(choice.toString())
                .isEqualTo("tool_calls");
        assertThat(choice.at("/message/content").isNull()).isTrue();
        assertThat(choice.at("/message/reasoning_content").asString()).isNotEmpty();
        JsonNode call = choice.at("/message/tool_calls/0");
        assertThat(call.at("/function/name").asString()).isEqualTo("weather");
        assertThat(TinyServer.JSON
                        .readTree(call.at("/function/arguments").asString())
                        .path("city")
                        .asString())
                .isIn("Rome", "Oslo");
        List<JsonNode> chunks =
                tiny.stream("/v1/chat/completions", body.substring(0, body.length() - 1) + ", \"stream\": true}");
        JsonNode streamed = chunks.stream()
                .filter(chunk -> chunk.at("/choices/0/delta").has("tool_calls"))
                .findFirst()
                .orElseThrow()
                .at("/choices/0/delta/tool_calls/0");
        assertThat(streamed.path("index").asInt()).isZero();
        assertThat(streamed.path("function")).isEqualTo(call.path("function"));
        assertThat(chunks.getLast().at("/choices/0/finish_reason").asString()).isEqualTo("tool_calls");
        assertThat(chunks.toString()).doesNotContain("tool_call>");
    }

    @Test
    void theResultOfACallGoesBack() {
        JsonNode response = tiny.chat("{\"messages\": [{\"role\": \"user\", \"content\": \"Weather?\"}, {\"role\":"
                + " \"assistant\", \"content\": null, \"tool_calls\": [{\"id\": \"c1\", \"type\": \"function\", \"function\":"
                + " {\"name\": \"weather\", \"arguments\": \"{\\\"city\\\": \\\"Rome\\\"}\"}}]}, {\"role\": \"tool\","
                + " \"tool_call_id\": \"c1\", \"content\": \"sunny\"}], \"max_tokens\": 5" + TOOLS + "}");
        assertThat(response.path("choices")).hasSize(1);
    }
}
