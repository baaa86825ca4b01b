package dev.fathom.model.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.engine.DType;
import dev.fathom.engine.Tensor;
import dev.fathom.model.config.DeepseekConfig;
import dev.fathom.model.files.CheckpointException;
import dev.fathom.model.files.DurableFiles;
import dev.fathom.model.files.Json;
import dev.fathom.model.safetensors.NamedTensor;
import dev.fathom.model.tokenizer.CharacterTokenizer;
import dev.fathom.model.tokenizer.SpecialTokens;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CheckpointTest {
    private static final CharacterTokenizer TOKENIZER = CharacterTokenizer.of("0123456789+=", SpecialTokens.REASONING);
    private static final DeepseekConfig CONFIG =
            DeepseekConfig.builder().build().withVocabulary(TOKENIZER.vocabularySize(), 0, 1);

    @TempDir
    Path folder;

    @Test
    void roundTripsEverything() {
        Path target = folder.resolve("checkpoints/step-000010");
        Tensor weight = Tensor.of(new float[] {1, 2, 3, 4, 5, 6}, 2, 3);
        Checkpoint.publish(target, writer -> {
            writer.config(CONFIG);
            writer.tokenizer(TOKENIZER, "{{ bos_token }}");
            writer.weights(List.of(new NamedTensor("w", weight), new NamedTensor("v", weight)), 24);
            writer.moments(List.of(new NamedTensor("w.first", weight)));
            writer.state(Json.MAPPER.createObjectNode().put("step", 10));
        });
        CheckpointReader reader = CheckpointReader.open(target);
        assertThat(reader.config()).isEqualTo(CONFIG);
        assertThat(reader.tokenizer()).isEqualTo(TOKENIZER);
        assertThat(reader.chatTemplate()).isEqualTo("{{ bos_token }}");
        assertThat(target.resolve("model.safetensors.index.json")).exists();
        assertThat(target.resolve("generation_config.json")).content().contains("\"eos_token_id\" : 1");
        assertThat(reader.hasTrainer()).isTrue();
        assertThat(reader.readState().get("step").intValue()).isEqualTo(10);
        Tensor first = Tensor.zeros(DType.F32, 2, 3);
        Tensor second = Tensor.zeros(DType.F32, 2, 3);
        reader.readWeights(List.of(new NamedTensor("w", first)), name -> name.equals("v"));
        reader.readMoments(List.of(new NamedTensor("w.first", second)));
        assertThat(first.toFloats()).isEqualTo(weight.toFloats());
        assertThat(second.toFloats()).isEqualTo(weight.toFloats());
        assertThatThrownBy(() -> reader.readWeights(List.of(new NamedTensor("w", first))))
                .hasMessageContaining("checkpoint of another model: 1 tensor unexpected (v)");
        assertThat(Checkpoint.list(target.getParent())).containsExactly(target);
    }

    @Test
    void failureLeavesNothingBehind() {
        Path target = folder.resolve("step");
        assertThatThrownBy(() -> Checkpoint.publish(target, writer -> {
                    writer.config(CONFIG);
                    throw new IOException("No space left on device");
                }))
                .isInstanceOf(CheckpointException.class)
                .hasMessage(target + ": cannot be written (IOException: No space left on device)");
        assertThatThrownBy(() -> Checkpoint.publish(target, writer -> {
                    writer.config(CONFIG);
                    throw new IllegalStateException("bug");
                }))
                .isInstanceOf(IllegalStateException.class);
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void neverReplacesACheckpoint() {
        Path target = folder.resolve("step");
        Checkpoint.publish(target, writer -> writer.config(CONFIG));
        assertThatThrownBy(() -> Checkpoint.publish(target, writer -> writer.config(CONFIG)))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("exists already");
        assertThat(CheckpointReader.open(target).hasTrainer()).isFalse();
    }

    @Test
    void keepsFilesInside() {
        assertThatThrownBy(() ->
                        Checkpoint.publish(folder.resolve("step"), writer -> writer.bytes("../evil", new byte[0])))
                .isInstanceOf(IllegalArgumentException.class);
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void namesWhatIsNoModelDirectory() {
        assertThatThrownBy(() -> CheckpointReader.open(folder.resolve("none")))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("no such directory");
        assertThatThrownBy(() -> CheckpointReader.open(folder)).hasMessageContaining("found no config.json");
        Path target = folder.resolve("step");
        Checkpoint.publish(target, writer -> writer.config(CONFIG));
        assertThatThrownBy(() -> CheckpointReader.open(target).weights()).hasMessageContaining("found no weights");
        assertThatThrownBy(() -> CheckpointReader.open(target).readState()).hasMessageContaining("no such file");
        assertThatThrownBy(() -> CheckpointReader.open(target).tokenizer()).hasMessageContaining("tokenizer.json");
    }

    /** The process dies after everything is written and before the rename: no checkpoint, and the next start cleans up. */
    @Test
    void deathBeforeTheRenameLeavesNoCheckpoint() throws Exception {
        Process process = start("halt");
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).isEqualTo(9);
        Path leftover = folder.resolve(".step-0.partial");
        assertThat(leftover.resolve("model.safetensors")).exists();
        assertThat(Checkpoint.list(folder)).isEmpty();
        assertThat(Checkpoint.cleanUp(folder)).containsExactly(leftover);
        assertThat(folder).isEmptyDirectory();
    }

    /** The process is killed at arbitrary moments while it publishes: whatever has a final name is complete. */
    @Test
    void killedAtAnyMomentEveryCheckpointIsComplete() throws Exception {
        int complete = 0;
        for (int round = 0; round < 4; round++) {
            Process process = start("forever");
            Path first = folder.resolve("step-0");
            while (!Files.exists(first) && process.isAlive()) {
                Thread.sleep(5);
            }
            Thread.sleep(20 + 37L * round);
            process.destroyForcibly().waitFor();
            Checkpoint.cleanUp(folder);
            for (Path checkpoint : Checkpoint.list(folder)) {
                Tensor weight = Tensor.zeros(DType.F32, 256, 256);
                CheckpointReader reader = CheckpointReader.open(checkpoint);
                assertThat(reader.config()).isEqualTo(CONFIG);
                reader.readWeights(List.of(new NamedTensor("w", weight)));
                assertThat(reader.readState().get("step").isInt()).isTrue();
                complete++;
            }
            try (Stream<Path> rest = Files.list(folder)) {
                for (Path path : rest.toList()) {
                    assertThat(path.getFileName().toString()).startsWith("step-");
                    DurableFiles.deleteTree(path);
                }
            }
        }
        assertThat(complete).isPositive();
    }

    private Process start(String how) throws IOException {
        return new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--add-modules=jdk.incubator.vector",
                        "--enable-native-access=ALL-UNNAMED",
                        "-cp",
                        System.getProperty("java.class.path"),
                        Publisher.class.getName(),
                        how,
                        folder.toString())
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start();
    }

    /** What the forked process runs. */
    static final class Publisher {
        public static void main(String[] arguments) {
            Path folder = Path.of(arguments[1]);
            Tensor weight = Tensor.zeros(DType.F32, 256, 256);
            for (int step = 0; ; step++) {
                int number = step;
                Checkpoint.publish(folder.resolve("step-" + step), writer -> {
                    writer.config(CONFIG);
                    writer.tokenizer(TOKENIZER, null);
                    writer.weights(List.of(new NamedTensor("w", weight)));
                    writer.state(Json.MAPPER.createObjectNode().put("step", number));
                    if (arguments[0].equals("halt")) {
                        Runtime.getRuntime().halt(9);
                    }
                });
            }
        }
    }
}
