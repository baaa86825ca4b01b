package dev.fathom.serve;

import dev.fathom.engine.Engine;
import dev.fathom.engine.Precision;
import dev.fathom.infer.GenerationEngine;
import dev.fathom.infer.Sampling;
import dev.fathom.model.DeepseekModel;
import dev.fathom.model.chat.ChatTemplate;
import dev.fathom.model.config.DeepseekConfig;
import dev.fathom.model.tokenizer.BytePairTrainer;
import dev.fathom.model.tokenizer.SpecialTokens;
import dev.fathom.model.tokenizer.SpecialTokens.SpecialToken;
import dev.fathom.model.tokenizer.Tokenizer;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** A server with a tiny model that knows nothing: what it writes is noise, but the same noise for the same seed. */
final class TinyServer implements AutoCloseable {
    static final JsonMapper JSON = JsonMapper.shared();
    static final String MODEL = "tiny";

    static final SpecialTokens SPECIAL = new SpecialTokens(
            List.of(
                    new SpecialToken("<bos>", true),
                    new SpecialToken("<eos>", true),
                    new SpecialToken("<think>", false),
                    new SpecialToken("</think>", false),
                    new SpecialToken("<tool_call>", false),
                    new SpecialToken("</tool_call>", false),
                    new SpecialToken("<|fim_prefix|>", true),
                    new SpecialToken("<|fim_suffix|>", true),
                    new SpecialToken("<|fim_middle|>", true)),
            "<bos>",
            "<eos>");

    static final Tokenizer TOKENIZER = new BytePairTrainer(360, SPECIAL)
            .add("the quick brown fox, größe 日本 {\"name\": \"value\", \"id\": 1} ".repeat(4))
            .train();

    /** Opens a thought, knows tools, and shows what was called. */
    static final ChatTemplate TEMPLATE = ChatTemplate.parse(
            "{{ bos_token }}{% if tools %}Tools:{% for tool in tools %}{{ tool | tojson }}{% endfor %}<tool_call>{% endif %}"
                    + "{% for message in messages %}[{{ message.role }}]{{ message.content }}"
                    + "{% for call in message.tool_calls %}<tool_call>{{ call.function.arguments | tojson }}</tool_call>{% endfor %}"
                    + "{% if message.reasoning_content %}({{ message.reasoning_content }}){% endif %}{% endfor %}[assistant]"
                    + "{% if enable_thinking is not defined or enable_thinking %}<think>{% endif %}",
            "tiny.jinja");

    final Server server;
    final GenerationEngine engine;
    private final Engine kernels;
    private final HttpClient client = HttpClient.newHttpClient();

    private TinyServer(Server server, GenerationEngine engine, Engine kernels) {
        this.server = server;
        this.engine = engine;
        this.kernels = kernels;
    }

    static TinyServer start() {
        return start(options -> options, options -> options);
    }

    static TinyServer start(
            UnaryOperator<ServerOptions> options, UnaryOperator<GenerationEngine.Options> engineOptions) {
        Engine kernels = Engine.vector(Precision.F32, 1);
        DeepseekModel model = DeepseekModel.random(
                DeepseekConfig.builder()
                        .vocabSize(TOKENIZER.vocabularySize())
                        .hiddenSize(32)
                        .intermediateSize(32)
                        .moeIntermediateSize(16)
                        .numHiddenLayers(2)
                        .numAttentionHeads(2)
                        .queryLoraRank(null)
                        .keyValueLoraRank(16)
                        .nopeHeadDim(8)
                        .ropeHeadDim(8)
                        .valueHeadDim(8)
                        .numRoutedExperts(4)
                        .numExpertsPerToken(2)
                        .initializerRange(0.3)
                        .maxPositionEmbeddings(1024)
                        .build(),
                kernels,
                5);
        GenerationEngine engine = GenerationEngine.start(
                model,
                TOKENIZER,
                List.of(TOKENIZER.eosId().orElseThrow()),
                engineOptions.apply(GenerationEngine.Options.withPositions(64 * 1024)));
        Server server = Server.start(options.apply(ServerOptions.DEFAULT.withAddress("127.0.0.1", 0)));
        server.serve(ServedModel.of(
                MODEL, engine, TEMPLATE, Sampling.DEFAULT, kernels.describe(), 1_700_000_000, typed -> typed));
        return new TinyServer(server, engine, kernels);
    }

    String url() {
        return server.url();
    }

    /** A response with its body as text. */
    HttpResponse<String> get(String path) {
        return send(HttpRequest.newBuilder(URI.create(url() + path)));
    }

    HttpResponse<String> post(String path, String body, String... headers) {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url() + path))
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(body));
        if (headers.length > 0) {
            request.headers(headers);
        }
        return send(request);
    }

    HttpResponse<String> send(HttpRequest.Builder request) {
        try {
            return client.send(request.timeout(Duration.ofSeconds(120)).build(), HttpResponse.BodyHandlers.ofString());
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    /** The response to a chat request, which must be a good one. */
    JsonNode chat(String body) {
        HttpResponse<String> response = post("/v1/chat/completions", body);
        if (response.statusCode() != 200) {
            throw new AssertionError(response.statusCode() + " " + response.body());
        }
        return JSON.readTree(response.body());
    }

    /** The events of a stream, which must end with [DONE]. */
    List<JsonNode> stream(String path, String body) {
        HttpResponse<String> response = post(path, body);
        if (response.statusCode() != 200) {
            throw new AssertionError(response.statusCode() + " " + response.body());
        }
        List<String> data = response.body()
                .lines()
                .filter(line -> line.startsWith("data: "))
                .map(line -> line.substring(6))
                .toList();
        if (data.isEmpty() || !data.getLast().equals("[DONE]")) {
            throw new AssertionError("no [DONE]: " + response.body());
        }
        List<JsonNode> events = new ArrayList<>();
        data.subList(0, data.size() - 1).forEach(each -> events.add(JSON.readTree(each)));
        return events;
    }

    /** Waits until nothing is under way. */
    void awaitIdle() throws InterruptedException {
        long end = System.nanoTime() + Duration.ofSeconds(60).toNanos();
        while (engine.status().running() > 0
                || engine.status().queued() > 0
                || server.underWay().get() > 0) {
            if (System.nanoTime() > end) {
                throw new AssertionError("still under way: " + engine.status() + ", requests "
                        + server.underWay().get());
            }
            Thread.sleep(5);
        }
    }

    @Override
    public void close() {
        server.close();
        engine.close();
        kernels.close();
    }
}
