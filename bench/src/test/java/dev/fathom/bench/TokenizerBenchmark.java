package dev.fathom.bench;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import dev.fathom.model.tokenizer.BytePairTrainer;
import dev.fathom.model.tokenizer.SpecialTokens;
import dev.fathom.model.tokenizer.Tokenizer;
import dev.fathom.model.tokenizer.TokenizerFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Encoding a text as one string, here and by the Hugging Face library (Rust, through DJL's JNI), both from the same
 * {@code tokenizer.json}. Before anything is timed, the ids are compared.
 *
 * <pre>{@code bench/jmh TokenizerBenchmark -p text=some.txt -p model=a-model-directory}</pre>
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Fork(3)
@Warmup(iterations = 5, time = 2)
@Measurement(iterations = 5, time = 2)
public class TokenizerBenchmark {
    @Param
    public Library library = Library.FATHOM;

    /** The text; about a megabyte is usual. */
    @Param({"../shared/data/text/tinyshakespeare.txt"})
    public String text = "";

    /** A directory with {@code tokenizer.json}; where it is empty, 8,192 tokens are learned from the text. */
    @Param({""})
    public String model = "";

    public enum Library {
        FATHOM,
        HUGGING_FACE
    }

    private String content = "";
    private Tokenizer ours = new BytePairTrainer(256, SpecialTokens.NONE).train();
    private HuggingFaceTokenizer theirs;

    @Setup
    public void open() throws IOException {
        content = Files.readString(Path.of(text));
        Path directory = Path.of(model);
        if (model.isEmpty()) {
            directory = Files.createTempDirectory("tokenizer");
            TokenizerFiles.write(
                    directory,
                    new BytePairTrainer(8192, SpecialTokens.REASONING)
                            .add(content)
                            .train(),
                    null);
        }
        ours = TokenizerFiles.read(directory);
        System.setProperty("ai.djl.offline", "true");
        System.setProperty("OPT_OUT_TRACKING", "true");
        theirs = HuggingFaceTokenizer.newInstance(
                directory.resolve(TokenizerFiles.TOKENIZER),
                Map.of("addSpecialTokens", "false", "truncation", "false"));
        long[] ids = Arrays.stream(ours.encode(content)).asLongStream().toArray();
        if (!Arrays.equals(ids, theirs.encode(content).getIds())) {
            throw new IllegalStateException("the two libraries give different ids");
        }
    }

    @TearDown
    public void close() {
        theirs.close();
    }

    @Benchmark
    public Object encode() {
        return library == Library.FATHOM
                ? ours.encode(content)
                : theirs.encode(content).getIds();
    }
}
