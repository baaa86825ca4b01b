package dev.fathom.engine.quant;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** Machines with vectors of 16, 32 and 64 bytes decode the same bits; each width runs in a JVM of its own, because it is chosen once. */
class VectorWidthTest {
    @Test
    void everyVectorWidthGivesTheSameBits() throws Exception {
        List<String> digests = new ArrayList<>();
        for (int bytes : new int[] {16, 32, 64}) {
            digests.add(digestInJvm("-XX:MaxVectorSize=" + bytes));
        }
        assertThat(digests.getFirst()).as("lanes in the smallest").startsWith("4 ");
        assertThat(digests.stream().map(d -> d.substring(d.indexOf(' '))).distinct())
                .as("%s", digests)
                .hasSize(1);
    }

    private static String digestInJvm(String option) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--add-modules=jdk.incubator.vector",
                        "--enable-native-access=ALL-UNNAMED",
                        "-XX:+IgnoreUnrecognizedVMOptions",
                        option,
                        "-cp",
                        System.getProperty("java.class.path"),
                        Digest.class.getName())
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(option).isZero();
        return output.strip();
    }

    /** Prints the number of lanes and a digest of decoded random blocks of every type. */
    static final class Digest {
        private Digest() {}

        public static void main(String[] arguments) {
            int digest = 0;
            for (QuantizedType type : QuantizedType.values()) {
                int blocks = 2048 / type.blockSize() + 5;
                MemorySegment source = QuantizedTypeTest.random(type, blocks, 3, new SplittableRandom(6));
                long count = (long) blocks * type.blockSize();
                MemorySegment target = Arena.ofAuto().allocate(4 * count);
                type.decode(source, 3, target, 0, count);
                for (float value : target.toArray(ValueLayout.JAVA_FLOAT)) {
                    digest = 31 * digest + Float.floatToIntBits(value);
                }
            }
            System.out.println(BitPlanes.LANES + " " + digest);
        }
    }
}
