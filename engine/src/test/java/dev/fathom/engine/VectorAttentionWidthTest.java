package dev.fathom.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/**
 * Machines with vectors of 16, 32 and 64 bytes compute the same bits, forward and backward. Each width runs in a JVM of its own, because
 * the species is chosen once; widths above the machine's own repeat it.
 */
class VectorAttentionWidthTest {
    @Test
    void everyVectorWidthGivesTheSameBits() throws IOException, InterruptedException {
        List<String> digests = new ArrayList<>();
        for (int bytes : new int[] {16, 32, 64}) {
            digests.add(digestInJvm("-XX:MaxVectorSize=" + bytes));
        }
        assertThat(digests.getFirst()).as("lanes in the smallest").startsWith("4 ");
        List<String> bits =
                digests.stream().map(d -> d.substring(d.indexOf(' '))).toList();
        assertThat(bits).containsOnly(bits.getFirst());
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

    /** Prints the number of lanes and a digest of all results. */
    static final class Digest {
        private Digest() {}

        public static void main(String[] arguments) {
            int digest = 0;
            for (int[] shape : new int[][] {{4, 4, 48, 32}, {4, 2, 37, 21}, {2, 1, 5, 7}}) {
                Random random = new Random(41);
                AttentionCase c = AttentionCase.random(
                        VectorAttention::new, random, new int[] {60, 3, 1, 70}, shape[0], shape[1], shape[2], shape[3]);
                Tensor dOut =
                        AttentionCase.gaussian(random, c.out().rows(), c.out().columns());
                Tensor dq = Tensor.zeros(DType.F32, c.q().rows(), c.q().columns());
                KeyValueStore dStore = c.emptyStore();
                Tensor positions = Tensor.zeros(DType.I32, c.q().rows());
                RopeTable table = RopeTable.of(new double[] {1, 0.5}, 1);
                try (WorkerPool pool = new WorkerPool(2)) {
                    new VectorRope(pool, new VectorRows(pool))
                            .rope(c.q(), shape[0], shape[2], 1, positions, table, false);
                    c.forward(pool);
                    new VectorAttention(pool)
                            .attentionBackward(
                                    dOut,
                                    c.q(),
                                    c.out(),
                                    c.logSumExp(),
                                    shape[0],
                                    c.scale(),
                                    c.segments(),
                                    c.store(),
                                    dq,
                                    dStore);
                }
                for (Tensor result : new Tensor[] {c.q(), c.out(), c.logSumExp(), dq, dStore.data()}) {
                    digest = 31 * digest + Arrays.hashCode(AttentionCase.bits(result));
                }
            }
            System.out.println(Lanes.COUNT + " " + digest);
        }
    }
}
