package dev.fathom.cli.client;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** Clients that are programs: curl, and the openai package in Node.js. */
public final class ProgramClient implements Client {
    private static final JsonMapper JSON = JsonMapper.shared();

    private final Path folder;
    private final String url;
    private final String model;
    private final List<String> command;
    private final boolean speaksHttp;

    private ProgramClient(Path folder, String url, String model, List<String> command, boolean speaksHttp) {
        this.folder = folder;
        this.url = url;
        this.model = model;
        this.command = command;
        this.speaksHttp = speaksHttp;
    }

    /** @param folder for its files */
    public static ProgramClient curl(Path folder, Path curl, String url, String model) {
        return new ProgramClient(folder, url, model, List.of(curl.toString(), "-sSN", "--max-time", "100"), true);
    }

    /**
     * The openai package.
     *
     * @param modules a folder {@code node_modules} that has it
     */
    public static ProgramClient openAiNpm(Path folder, Path node, Path modules, String url, String model)
            throws IOException {
        Files.createSymbolicLink(folder.resolve("node_modules"), modules);
        Path script = folder.resolve("openai.mjs");
        try (var in = Objects.requireNonNull(ProgramClient.class.getResourceAsStream("openai.mjs"))) {
            Files.copy(in, script);
        }
        return new ProgramClient(folder, url, model, List.of(node.toString(), script.toString()), false);
    }

    /** A program on the PATH, null if it is not there. */
    public static @Nullable Path find(String name) {
        return Stream.of(System.getenv("PATH").split(":", -1))
                .map(each -> Path.of(each, name))
                .filter(Files::isExecutable)
                .findFirst()
                .orElse(null);
    }

    /** The request as JSON, which is also how the documentation writes it. */
    public static ObjectNode request(String model, Question question, boolean streamed) {
        ObjectNode request = JSON.createObjectNode().put("model", model);
        request.putArray("messages").addObject().put("role", "user").put("content", "Hello");
        request.put("seed", Question.SEED).put("max_tokens", Question.TOKENS).put("stream", streamed);
        request.putObject("thinking").put("type", "enabled").put("budget_tokens", Question.THOUGHTS);
        switch (question) {
            case PLAIN -> {}
            case TOOL -> {
                ObjectNode tool = request.putArray("tools").addObject().put("type", "function");
                tool.putObject("function").put("name", "weather").set("parameters", JSON.readTree(Question.PARAMETERS));
                request.put("tool_choice", "required");
            }
            case SCHEMA -> {
                ObjectNode format = request.putObject("response_format").put("type", "json_schema");
                format.putObject("json_schema")
                        .put("name", "age")
                        .put("strict", true)
                        .set("schema", JSON.readTree(Question.AGE));
            }
        }
        return request;
    }

    @Override
    public Answer ask(Question question, boolean streamed) throws Exception {
        String request = request(model, question, streamed).toString();
        List<String> words = new ArrayList<>(command);
        if (!speaksHttp) {
            words.addAll(List.of(url, request));
            return JSON.readValue(run(words), Answer.class);
        }
        words.addAll(List.of(url + "/v1/chat/completions", "-H", "Content-Type: application/json", "-d", request));
        String out = run(words);
        return streamed ? ofEvents(out) : of(List.of(JSON.readTree(out).at("/choices/0/message")));
    }

    private static Answer ofEvents(String out) {
        if (!out.endsWith("data: [DONE]\n\n")) {
            throw new AssertionError("no [DONE] at the end of: " + out);
        }
        return of(out.lines()
                .filter(line -> line.startsWith("data: {"))
                .map(line -> JSON.readTree(line.substring(6)).at("/choices/0/delta"))
                .toList());
    }

    /** From the message, or from the pieces of one. */
    private static Answer of(List<JsonNode> pieces) {
        StringBuilder thinking = new StringBuilder();
        StringBuilder content = new StringBuilder();
        List<Answer.Call> calls = new ArrayList<>();
        for (JsonNode piece : pieces) {
            thinking.append(piece.path("reasoning_content").asString(""));
            content.append(piece.path("content").asString(""));
            for (JsonNode call : piece.path("tool_calls")) {
                calls.add(new Answer.Call(
                        call.at("/function/name").asString(),
                        call.at("/function/arguments").asString()));
            }
        }
        return new Answer(thinking.toString(), content.toString(), calls);
    }

    private String run(List<String> words) throws IOException, InterruptedException {
        Path out = folder.resolve("out");
        Path err = folder.resolve("err");
        Process process = new ProcessBuilder(words)
                .directory(folder.toFile())
                .redirectOutput(out.toFile())
                .redirectError(err.toFile())
                .start();
        try {
            if (!process.waitFor(180, TimeUnit.SECONDS)) {
                throw new AssertionError(words.getFirst() + " took longer than 180 s");
            }
        } finally {
            process.destroyForcibly();
        }
        if (process.exitValue() != 0) {
            throw new AssertionError(words.getFirst() + ": " + Files.readString(err, StandardCharsets.UTF_8));
        }
        return Files.readString(out, StandardCharsets.UTF_8);
    }
}
