package dev.fathom.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.fathom.engine.Engine;
import dev.fathom.engine.KeyValueStore;
import dev.fathom.engine.Ops;
import dev.fathom.engine.Precision;
import dev.fathom.engine.Segments;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.Workspace;
import dev.fathom.engine.quant.QuantizedType;
import dev.fathom.model.convert.ModelConverter;
import dev.fathom.model.files.Json;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;

/**
 * The models that we write, in llama.cpp: the same greedy text and the same probabilities. llama.cpp comes as the npm package {@code node-llama-cpp},
 * installed in the folder that the environment variable {@code FATHOM_LLAMA_NODE} names.
 *
 * <p>llama.cpp rounds activations to eight bits where weights have as many, so that there its text may leave ours where two tokens are as good as
 * equally probable; the text is compared up to the first such place.
 */
@Tag("long")
class LlamaCppTest {
    private static final int PROMPTS = 100;
    private static final int NEW = 12;
    private static final int TOP = 20;

    private static Engine engine;

    @TempDir
    Path folder;

    @BeforeAll
    static void open() {
        assumeTrue(
                System.getenv("FATHOM_LLAMA_NODE") != null,
                "FATHOM_LLAMA_NODE names no folder with node_modules/node-llama-cpp");
        engine = Engine.vector(Precision.F32, 2);
    }

    @AfterAll
    static void close() {
        if (engine != null) {
            engine.close();
        }
    }

    static Stream<TinyRelease.Case> cases() {
        // llama.cpp ranks groups of experts by their two best in DeepSeek-V2, too; the released code by the best.
        return TinyRelease.cases().filter(tiny -> !tiny.name().equals("v2"));
    }

    @ParameterizedTest
    @MethodSource("cases")
    void exact(TinyRelease.Case tiny) throws Exception {
        for (long seed = 21; seed < 24; seed++) {
            compare(tiny, seed, QuantizedType.F32, 1e-4, 1e-3);
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void quantized(TinyRelease.Case tiny) throws Exception {
        // A mixture's choice of experts may flip where activations are rounded; then a probability may be anything.
        boolean mixture = tiny.deepseek() != null;
        compare(tiny, 31, QuantizedType.Q8_0, mixture ? 0.2 : 0.01, mixture ? 1.5 : 0.4);
    }

    /**
     * @param probability how far a probability among the best may be off
     * @param gap logits closer than this are as good as equal
     */
    private void compare(TinyRelease.Case tiny, long seed, QuantizedType type, double probability, double gap)
            throws Exception {
        Path directory = TinyRelease.write(folder.resolve("hf" + seed), tiny, seed);
        Path file = folder.resolve(tiny.name() + "-" + type + seed + ".gguf");
        ModelConverter.convert(directory, file, type, engine);
        LanguageModel model =
                ReleasedModel.open(file, engine, ReleasedModel.Options.DEFAULT).model();
        Random random = new Random(seed);
        List<int[]> prompts = new ArrayList<>();
        for (int i = 0; i < PROMPTS; i++) {
            prompts.add(random.ints(1 + random.nextInt(40), 0, 266).toArray());
        }
        List<JsonNode> answers = llama(file, prompts);
        assertThat(answers).hasSize(PROMPTS);
        int same = 0;
        int compared = 0;
        double worst = 0;
        for (int i = 0; i < PROMPTS; i++) {
            JsonNode answer = answers.get(i);
            Greedy greedy = greedy(model, prompts.get(i));
            boolean whole = true;
            for (int n = 0; n < NEW && whole; n++) {
                int theirs = answer.get("ids").get(n).intValue();
                if (greedy.tokens[n] != theirs) {
                    assertThat(answer.get("gaps").get(n).doubleValue())
                            .as("%s, prompt %d, token %d: %d here, %d there", file, i, n, greedy.tokens[n], theirs)
                            .isLessThan(gap);
                    whole = false;
                } else {
                    compared++;
                }
            }
            same += whole ? 1 : 0;
            for (JsonNode best : answer.get("top")) {
                double off = Math.abs(greedy.probabilities[best.get(0).intValue()]
                        - best.get(1).doubleValue());
                worst = Math.max(worst, off);
                assertThat(off)
                        .as("%s, prompt %d, token %s", file, i, best.get(0))
                        .isLessThan(probability);
            }
        }
        System.getLogger(LlamaCppTest.class.getName())
                .log(
                        System.Logger.Level.INFO,
                        "{0} {1} seed {2}: {3} of {4} texts the same, {5} tokens compared, probabilities within {6}",
                        tiny.name(),
                        type,
                        seed,
                        same,
                        PROMPTS,
                        compared,
                        worst);
        assertThat(same).isGreaterThanOrEqualTo(type == QuantizedType.F32 ? PROMPTS : PROMPTS / 4);
    }

    private static List<JsonNode> llama(Path file, List<int[]> prompts) throws Exception {
        Path script = file.resolveSibling("llama.mjs");
        try (InputStream in = LlamaCppTest.class.getResourceAsStream("/llama.mjs")) {
            Files.write(script, in.readAllBytes());
        }
        Process process = new ProcessBuilder(
                        "node",
                        script.toString(),
                        System.getenv("FATHOM_LLAMA_NODE"),
                        file.toString(),
                        String.valueOf(NEW),
                        String.valueOf(TOP))
                .redirectError(folderLog(file))
                .start();
        String input = prompts.stream()
                .map(prompt -> Arrays.stream(prompt).mapToObj(String::valueOf).collect(Collectors.joining(" ")))
                .collect(Collectors.joining("\n"));
        process.getOutputStream().write(input.getBytes(StandardCharsets.UTF_8));
        process.getOutputStream().close();
        List<JsonNode> answers = new ArrayList<>();
        for (String line : new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).split("\n")) {
            if (line.startsWith("{")) {
                answers.add(Json.MAPPER.readTree(line));
            }
        }
        assertThat(process.waitFor())
                .as(Files.readString(folderLog(file).toPath()))
                .isZero();
        return answers;
    }

    private static File folderLog(Path file) {
        return file.resolveSibling("llama.log").toFile();
    }

    private record Greedy(int[] tokens, double[] probabilities) {}

    private static Greedy greedy(LanguageModel model, int[] prompt) throws IOException {
        Workspace workspace = new Workspace();
        List<KeyValueStore> stores = new ArrayList<>();
        for (int i = 0; i < model.numHiddenLayers(); i++) {
            stores.add(model.allocateKeyValues(64));
        }
        int[] tokens = new int[NEW];
        double[] probabilities = {};
        int length = 0;
        int[] rows = prompt;
        for (int n = 0; n < NEW; n++) {
            workspace.reset();
            Ops ops = model.inference(workspace);
            Segments segments = new Segments(1, new int[1], new int[] {rows.length}, new int[] {length}, new long[1]);
            Batch batch = Batch.of(List.of(rows), segments, new boolean[] {n > 0}, workspace);
            var states = model.forward(ops, batch, model.newRoutingLog(), stores::get);
            Tensor logits =
                    ops.logits(ops.selectRows(states.normed(), Tensor.of(new int[] {rows.length - 1})), model.head());
            float[] row = logits.toFloats();
            int best = 0;
            for (int i = 1; i < row.length; i++) {
                best = row[i] > row[best] ? i : best;
            }
            if (n == 0) {
                probabilities = softmax(row, row[best]);
            }
            tokens[n] = best;
            length += rows.length;
            rows = new int[] {best};
        }
        return new Greedy(tokens, probabilities);
    }

    private static double[] softmax(float[] logits, float max) {
        double[] p = new double[logits.length];
        double sum = 0;
        for (int i = 0; i < p.length; i++) {
            p[i] = Math.exp(logits[i] - (double) max);
            sum += p[i];
        }
        for (int i = 0; i < p.length; i++) {
            p[i] /= sum;
        }
        return p;
    }
}
