package dev.fathom.cli;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/** {@code fathom serve} in a process of its own, as a user starts it: the address is what it prints. */
final class ServerProcess implements AutoCloseable {
    private final Process process;
    private final BufferedReader out;
    private final Path errors;
    private final String url;
    private static final HttpClient CLIENT = HttpClient.newHttpClient();

    private ServerProcess(Process process, BufferedReader out, Path errors, String url) {
        this.process = process;
        this.out = out;
        this.errors = errors;
        this.url = url;
    }

    /** Starts one on any free port and waits until it has its model. */
    static ServerProcess start(Path folder, Path model, Object... options) throws IOException {
        List<Object> words = new ArrayList<>(List.of("serve", model, "--port", 0, "--runs", folder.resolve("no-runs")));
        words.addAll(List.of(options));
        Path errors = Files.createTempFile(folder, "serve", ".err");
        ProcessBuilder builder = Fathom.process("", words.toArray());
        builder.command().add(1, "-Xmx512m"); // so that memory that grows is seen
        Process process = builder.redirectError(errors.toFile()).start();
        BufferedReader out =
                new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
        String url = out.readLine();
        if (url == null) {
            throw new AssertionError("the server did not start: " + Files.readString(errors));
        }
        return new ServerProcess(process, out, errors, url);
    }

    String url() {
        return url;
    }

    ProcessHandle handle() {
        return process.toHandle();
    }

    /** What it wrote to standard error, but for the line that the launcher filters. */
    String errors() throws IOException {
        return Files.readString(errors)
                .lines()
                .filter(line -> !line.startsWith("WARNING: Using incubator modules"))
                .collect(Collectors.joining("\n"));
    }

    HttpResponse<String> get(String path) throws IOException, InterruptedException {
        return get(url, path);
    }

    /** From any server. */
    static HttpResponse<String> get(String url, String path) throws IOException, InterruptedException {
        HttpRequest request = HttpRequest.newBuilder(URI.create(url + path))
                .timeout(Duration.ofSeconds(120))
                .build();
        return CLIENT.send(request, HttpResponse.BodyHandlers.ofString());
    }

    HttpResponse<String> post(String path, String body, String... headers) {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url + path))
                .timeout(Duration.ofSeconds(120))
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(body));
        if (headers.length > 0) {
            request.headers(headers);
        }
        try {
            return CLIENT.send(request.build(), HttpResponse.BodyHandlers.ofString());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    void signal(String name) throws IOException, InterruptedException {
        new ProcessBuilder("kill", "-" + name, Long.toString(process.pid()))
                .start()
                .waitFor();
    }

    /** Its exit code, and what else it printed on standard output. */
    Fathom.Result await() throws IOException, InterruptedException {
        if (!process.waitFor(120, TimeUnit.SECONDS)) {
            throw new AssertionError("the server goes on: " + errors());
        }
        return new Fathom.Result(process.exitValue(), out.lines().collect(Collectors.joining("\n")), errors());
    }

    /** Ends it however it is. */
    @Override
    public void close() {
        process.destroyForcibly();
    }
}
