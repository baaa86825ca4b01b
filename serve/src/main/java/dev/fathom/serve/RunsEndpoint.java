package dev.fathom.serve;

import dev.fathom.serve.api.ApiException;
import dev.fathom.serve.api.Json;
import io.helidon.http.HeaderNames;
import io.helidon.http.HeaderValues;
import io.helidon.webserver.http.HttpRules;
import io.helidon.webserver.http.HttpService;
import io.helidon.webserver.http.ServerRequest;
import io.helidon.webserver.http.ServerResponse;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * What the dashboard shows of runs: the files of their directories, as they are. {@code GET /runs/list}, and {@code GET
 * /runs/file/metrics?run=NAME&from=OFFSET} (also {@code samples}, {@code info}), which gives the whole lines from a byte on and says in
 * {@code X-Next-Offset} where the next look begins.
 */
final class RunsEndpoint implements HttpService {
    private static final String INFO = "run.json";
    private static final Map<String, String> FILES =
            Map.of("metrics", "metrics.jsonl", "samples", "samples.jsonl", "info", INFO);

    /** Most of a file at once. */
    private static final int PIECE = 4 << 20;

    private final Path directory;

    RunsEndpoint(Path directory) {
        this.directory = directory;
    }

    @Override
    public void routing(HttpRules rules) {
        rules.get("/runs/list", this::list).get("/runs/file/{file}", this::file);
    }

    private void list(ServerRequest request, ServerResponse response) {
        ObjectNode body = Json.MAPPER.createObjectNode().put("directory", directory.toString());
        ArrayNode runs = body.putArray("runs");
        for (Path run : runs()) {
            ObjectNode info = info(run);
            runs.addObject()
                    .put("name", String.valueOf(run.getFileName()))
                    .put("status", info.path("status").asString(""))
                    .put("created", info.path("created").asString(""))
                    .put("recipe", info.path("recipe").path("name").asString(""));
        }
        ModelsEndpoint.send(response, body);
    }

    /** Newest first. A directory that holds a run itself is the only one: {@code fathom learn --watch}. */
    private List<Path> runs() {
        if (Files.isRegularFile(directory.resolve(INFO))) {
            return List.of(directory);
        }
        if (!Files.isDirectory(directory)) {
            return List.of();
        }
        try (Stream<Path> entries = Files.list(directory)) {
            return entries.filter(entry -> Files.isRegularFile(entry.resolve(INFO)))
                    .sorted(Comparator.comparing(
                                    (Path run) -> info(run).path("created").asString(""))
                            .reversed())
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** {@code run.json}; a run that says it is running and whose process is gone was interrupted. */
    private static ObjectNode info(Path run) {
        try {
            JsonNode info = Json.MAPPER.readTree(Files.readString(run.resolve(INFO)));
            if (info instanceof ObjectNode object) {
                if (object.path("status").asString("").equals("running") && !isInUse(run)) {
                    object.put("status", "interrupted");
                }
                return object;
            }
            return Json.MAPPER.createObjectNode();
        } catch (IOException | JacksonException e) {
            return Json.MAPPER.createObjectNode().put("status", "unreadable");
        }
    }

    private static boolean isInUse(Path run) {
        try {
            String owner = Files.readString(run.resolve(".lock")).strip();
            return !owner.isEmpty()
                    && ProcessHandle.of(Long.parseLong(owner))
                            .map(ProcessHandle::isAlive)
                            .orElse(false);
        } catch (IOException | NumberFormatException e) {
            return false;
        }
    }

    private void file(ServerRequest request, ServerResponse response) {
        String name = request.query().first("run").orElseThrow(() -> ApiException.missing("run"));
        String file = FILES.get(request.path().pathParameters().get("file"));
        // Only what the list shows: no name leads out of the directory.
        Path run = runs().stream()
                .filter(each -> String.valueOf(each.getFileName()).equals(name))
                .findFirst()
                .orElseThrow(() -> ApiException.notFound("There is no run \"" + name + "\" in " + directory + "."));
        if (file == null) {
            throw ApiException.notFound("A run has no such file; it has "
                    + FILES.keySet().stream().sorted().toList());
        }
        if (file.equals(INFO)) {
            ModelsEndpoint.send(response, info(run));
            return;
        }
        long from;
        try {
            from = Long.parseLong(request.query().first("from").orElse("0"));
        } catch (NumberFormatException e) {
            throw ApiException.expected(
                    "from", "an offset", request.query().first("from").orElse(""));
        }
        try {
            send(response, run.resolve(file), Math.max(0, from));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void send(ServerResponse response, Path file, long from) throws IOException {
        byte[] lines = new byte[0];
        long next = 0;
        if (Files.exists(file)) {
            try (RandomAccessFile open = new RandomAccessFile(file.toFile(), "r")) {
                // A resumed run may have cut its files.
                long begin = from > open.length() ? 0 : from;
                byte[] bytes = new byte[(int) Math.min(PIECE, open.length() - begin)];
                open.seek(begin);
                open.readFully(bytes);
                int end = bytes.length;
                while (end > 0 && bytes[end - 1] != '\n') {
                    end--;
                }
                lines = java.util.Arrays.copyOf(bytes, end);
                next = begin + end;
            }
        }
        response.headers().set(HeaderValues.create(HeaderNames.CONTENT_TYPE, "application/jsonl; charset=utf-8"));
        response.headers().set(HeaderValues.create("X-Next-Offset", String.valueOf(next)));
        response.headers().set(HeaderValues.create(HeaderNames.CACHE_CONTROL, "no-store"));
        response.send(lines);
    }
}
