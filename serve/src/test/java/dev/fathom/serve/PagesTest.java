package dev.fathom.serve;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** The chat page and the dashboard, driven as people do, in a real browser. FATHOM_SCREENSHOTS=DIR keeps pictures. */
class PagesTest {
    private static final String AXE = "/META-INF/resources/webjars/axe-core/4.6.3/axe.min.js";

    @TempDir
    private static Path folder;

    private static TinyServer tiny;
    private static Browser browser;

    @BeforeAll
    static void start() throws Exception {
        writeRun(folder.resolve("r1-zero-1"));
        tiny = TinyServer.start(options -> options.withRuns(folder), options -> options);
        browser = Browser.open();
    }

    @AfterAll
    static void stop() throws Exception {
        if (browser != null) {
            browser.close();
        }
        tiny.close();
    }

    private static void writeRun(Path run) throws Exception {
        Files.createDirectories(run);
        Files.writeString(run.resolve("run.json"), """
                {"name": "r1-zero-1", "created": "2026-11-22T10:00:00Z", "status": "finished", "command": "./fathom learn",
                 "seed": 1, "kernels": "vector 512-bit", "machine": "two cores", "recipe": {"name": "r1-zero"}}
                """);
        StringBuilder metrics = new StringBuilder();
        for (int step = 1; step <= 40; step++) {
            metrics.append("{\"stage\": \"rl\", \"step\": %d, \"accuracy\": %s, \"reward\": %s, \"responseLength\": %d,"
                            .formatted(step, 1 - 0.8 / step, 1 - 0.7 / step, 40 + 3 * step))
                    .append(
                            " \"entropy\": 0.3, \"deadGroups\": 0.1, \"maxAbsDeltaLogProb\": 0, \"tokensPerSecond\": 9000,")
                    .append(" \"expertLoad\": [[0.9, 1.1, 1.4, 0.6], [1, 1, 1, 1]]}\n");
        }
        Files.writeString(run.resolve("metrics.jsonl"), metrics + "{\"torn");
        Files.writeString(run.resolve("samples.jsonl"), """
                {"stage": "rl", "step": 10, "label": "", "task": "multiplication", "level": 3, "prompt": "12*3=", "response": "<think>12*3</think><answer>36</answer>", "correct": true, "reward": 1, "tokens": 12}
                """);
    }

    private static void keep(String name) throws Exception {
        String folder = System.getenv("FATHOM_SCREENSHOTS");
        if (folder != null) {
            browser.screenshot(Files.createDirectories(Path.of(folder)).resolve(name + ".png"));
        }
    }

    @Test
    void aConversation() throws Exception {
        browser.size(1100, 800, false);
        browser.go(tiny.url() + "/");
        browser.await("document.getElementById('model').textContent.includes('tiny')");
        keep("chat-empty-light");
        browser.evaluate(
                "localStorage.setItem('fathom.settings', JSON.stringify({max_tokens: '60', seed: '7', thinking: 'low'}));"
                        + " location.reload()");
        browser.await("document.getElementById('max_tokens')?.value === '60' && document.activeElement.id === 'text'");
        // With the keyboard alone.
        browser.type("Hello");
        browser.press("Enter", 13);
        browser.await("document.querySelectorAll('article.assistant .actions').length === 1");
        assertThat(browser.evaluate("document.querySelector('details.thinking summary').textContent")
                        .asString())
                .startsWith("Thought for");
        assertThat(browser.evaluate("document.querySelector('article.user .body').textContent")
                        .asString())
                .isEqualTo("Hello");
        keep("chat-answer-light");
        // Again, and stop. A model of random weights may end by itself before that: then again with another seed.
        String stopped = "document.body.innerText.includes('Stopped.')";
        String over = "document.getElementById('stop').classList.contains('hidden')";
        for (int seed = 7; seed < 27 && !browser.evaluate(stopped).asBoolean(); seed++) {
            browser.evaluate("document.getElementById('max_tokens').value = '900';"
                    + " document.getElementById('seed').value = '" + seed + "';"
                    + " [...document.querySelectorAll('button')].find(b => b.textContent === 'Again').click()");
            browser.await(over + " || document.querySelector('.thoughts')?.textContent.length > 0");
            browser.press("Escape", 27);
            browser.await(over);
        }
        browser.await(stopped);
        tiny.awaitIdle();
        // Kept in the browser.
        browser.go(tiny.url() + "/");
        browser.await("document.querySelectorAll('article').length === 2");
        browser.size(400, 800, true);
        browser.go(tiny.url() + "/");
        browser.await("document.documentElement.dataset.theme === 'dark'");
        assertThat(browser.evaluate("document.documentElement.scrollWidth").asInt())
                .isLessThanOrEqualTo(400);
        keep("chat-answer-dark-400");
        accessible();
        browser.size(1100, 800, false);
        browser.evaluate("document.getElementById('new').click()");
        browser.await("document.querySelectorAll('article').length === 0");
        assertThat(browser.errors).isEmpty();
        assertThat(browser.requested)
                .allMatch(url -> url.startsWith(tiny.url()) || url.startsWith("data:") || url.equals("about:blank"));
    }

    @Test
    void markdownAndMathsAndNothingDangerous() throws Exception {
        browser.size(1100, 900, false);
        browser.go(tiny.url() + "/");
        JsonNode html = browser.evaluate("import('/web/markdown.js').then(module => module.markdown("
                + TinyServer.JSON.writeValueAsString("""
                        # Title
                        Some **bold**, *soft* and `code`, $x_1^2 + \\frac{a}{b}$, costs $5 and $6.

                        - one
                        - two
                          - deeper

                        | a | b |
                        |---|---|
                        | 1 | 2 |

                        $$\\sum_{i=1}^n i = \\boxed{\\frac{n(n+1)}{2}}$$

                        ```java
                        int x = 1 < 2 ? 3 : 4; // <script>alert(1)</script>
                        ```
                        <img src=x onerror=alert(1)> [bad](javascript:alert(1)) [good](https://example.org)
                        """) + "))");
        String text = html.asString();
        assertThat(text)
                .contains(
                        "<h3>Title</h3>", "<strong>bold</strong>", "<em>soft</em>", "<code>code</code>", "<li>two<ul>")
                .contains("<table>", "<mfrac>", "<munderover>", "class=\"boxed\"", "costs $5 and $6")
                .contains("1 &lt; 2", "&lt;script&gt;", "href=\"https://example.org\"")
                .doesNotContain("<script>", "<img", "href=\"javascript");
        browser.evaluate(
                "document.getElementById('messages').innerHTML = '<article class=\"assistant\"><div class=\"body\">' + "
                        + TinyServer.JSON.writeValueAsString(text) + " + '</div></article>'");
        keep("markdown-light");
        // Whatever part of a text has arrived, it can be shown.
        assertThat(browser.evaluate(
                                "import('/web/markdown.js').then(m => { const t = '# a\\n```js\\nx\\n```\\n$$\\\\frac{1}{2$$ | - 1. **b'; "
                                        + "for (let i = 0; i <= t.length; i++) m.markdown(t.slice(0, i)); return true; })")
                        .asBoolean())
                .isTrue();
    }

    @Test
    void theDashboard() throws Exception {
        browser.size(1100, 1400, false);
        browser.go(tiny.url() + "/runs");
        browser.await("document.querySelector('td a')?.textContent === 'r1-zero-1'");
        browser.evaluate("document.querySelector('td a').click()");
        browser.await("document.querySelectorAll('figure svg').length >= 8");
        assertThat(browser.evaluate("document.body.innerText").asString())
                .contains("Reinforcement learning", "Expert load", "12*3=", "vector 512-bit");
        keep("run-light");
        // Live: what is appended appears.
        Files.writeString(
                folder.resolve("r1-zero-1/metrics.jsonl"),
                Files.readString(folder.resolve("r1-zero-1/metrics.jsonl"))
                        .replace("{\"torn", "{\"stage\": \"rl\", \"step\": 41, \"accuracy\": 0.123}\n"));
        browser.await("document.querySelector('svg').getAttribute('aria-label').includes('step 41')");
        browser.size(400, 900, true);
        browser.await("document.documentElement.dataset.theme === 'dark'");
        assertThat(browser.evaluate("document.documentElement.scrollWidth").asInt())
                .isLessThanOrEqualTo(400);
        keep("run-dark-400");
        accessible();
        assertThat(tiny.get("/runs/file/metrics?run=../../etc").statusCode()).isEqualTo(404);
        assertThat(browser.errors).isEmpty();
    }

    /** By axe-core. */
    private static void accessible() throws Exception {
        String axe;
        try (InputStream in = Objects.requireNonNull(PagesTest.class.getResourceAsStream(AXE), AXE)) {
            axe = new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
        browser.evaluate(axe + "; true");
        List<String> violations = browser.evaluate(
                        "axe.run().then(result => result.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html).join(' ')))")
                .valueStream()
                .map(JsonNode::asString)
                .toList();
        assertThat(violations).isEmpty();
    }
}
