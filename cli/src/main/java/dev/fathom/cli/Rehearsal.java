package dev.fathom.cli;

import dev.fathom.engine.DType;
import dev.fathom.engine.Tensor;
import dev.fathom.model.safetensors.NamedTensor;
import dev.fathom.model.safetensors.SafetensorsWriter;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.jline.reader.LineReaderBuilder;
import org.jline.terminal.Terminal;
import org.jline.terminal.TerminalBuilder;

/**
 * Runs the commands once, small and unseen, so that the JVM can write down what they load: the launcher does so after a build, with
 * {@code -XX:ArchiveClassesAtExit}, and later starts find their classes in that archive.
 */
final class Rehearsal {
    private static final String RECIPE = "tiny.json";
    private static final int ROWS = 272;
    private static final int WIDTH = 64;
    private static final String LAYER = "model.layers.0.";

    private static final String CONFIG = """
            {
              "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2",
              "vocab_size": %d, "hidden_size": %d, "intermediate_size": %d, "num_hidden_layers": 1,
              "num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 256,
              "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "tie_word_embeddings": true, "hidden_act": "silu"
            }
            """.formatted(ROWS, WIDTH, WIDTH);

    private static final String TEMPLATE =
            "{% if messages[0]['role'] != 'system' %}{{ bos_token }}{% endif %}{% for message in messages %}"
                    + "{{ message['role'] + ': ' + message['content'] | trim }}\n{% endfor %}"
                    + "{%- if add_generation_prompt %}{{ 'assistant: ' }}{%- endif %}";

    private Rehearsal() {}

    /** @param args a folder to work in, which is deleted before and afterwards */
    public static void main(String[] args) throws IOException {
        Path folder = Path.of(args[0]);
        delete(folder);
        Files.createDirectories(folder);
        Path recipe = folder.resolve(RECIPE);
        try (InputStream in = Rehearsal.class.getResourceAsStream(RECIPE)) {
            Files.copy(Objects.requireNonNull(in), recipe);
        }
        Path run = folder.resolve("run");
        Main.main(new String[] {"--version"});
        run("--help");
        run("learn", "--recipe", recipe, "--out", run, "--minutes", 0.1);
        run("chat", run, "--prompt", "12*3");
        run("eval", run, "--problems", 1, "--samples", 1);
        run("report", run);
        run("runs", folder);
        releasedModel(folder);
        openLineReader();
        delete(folder);
    }

    /** A released model from a GGUF file: of the architecture most people have, with its tokenizer and a template. */
    private static void releasedModel(Path folder) throws IOException {
        Path directory = folder.resolve("qwen2");
        Path text = Files.writeString(folder.resolve("text"), CONFIG);
        run("tokenizer", "train", directory, text, "--vocabulary-size", ROWS);
        Files.writeString(directory.resolve("config.json"), CONFIG);
        Files.writeString(directory.resolve("chat_template.jinja"), TEMPLATE);
        List<NamedTensor> tensors = new ArrayList<>();
        tensors.add(zeros("model.embed_tokens.weight", ROWS, WIDTH));
        tensors.add(zeros("model.norm.weight", WIDTH));
        for (String norm : List.of("input_layernorm", "post_attention_layernorm")) {
            tensors.add(zeros(LAYER + norm + ".weight", WIDTH));
        }
        for (String matrix : List.of("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")) {
            tensors.add(zeros(LAYER + matrix + ".weight", WIDTH, WIDTH));
            tensors.add(zeros(LAYER + matrix + ".bias", WIDTH));
        }
        for (String matrix : List.of("self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")) {
            tensors.add(zeros(LAYER + matrix + ".weight", WIDTH, WIDTH));
        }
        SafetensorsWriter.write(directory.resolve("model.safetensors"), tensors);
        Path file = folder.resolve("qwen2.gguf");
        run("convert", directory, file, "--type", "q8_0");
        run("generate", file, "--prompt", "hello", "--max-tokens", 3);
        run("generate", file, "--prompt", "hello", "--max-tokens", 3, "--json");
    }

    private static NamedTensor zeros(String name, long... shape) {
        return new NamedTensor(name, Tensor.zeros(DType.F32, shape));
    }

    private static void run(Object... words) {
        int exitCode = Main.commandLine(Terminals.ofThisProcess())
                .setOut(new PrintWriter(Writer.nullWriter()))
                .execute(Stream.of(words).map(Object::toString).toArray(String[]::new));
        if (exitCode != 0) {
            throw new IllegalStateException("exit code " + exitCode + " of " + List.of(words));
        }
    }

    /** What {@link Chat} opens on a terminal; here there is none, and JLine makes do. */
    private static void openLineReader() throws IOException {
        try (Terminal terminal =
                TerminalBuilder.builder().system(true).dumb(true).build()) {
            LineReaderBuilder.builder().terminal(terminal).build().getVariables();
        }
    }

    private static void delete(Path folder) throws IOException {
        if (Files.exists(folder)) {
            try (Stream<Path> files = Files.walk(folder)) {
                for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                    Files.delete(file);
                }
            }
        }
    }
}
