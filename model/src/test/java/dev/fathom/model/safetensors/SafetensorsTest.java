package dev.fathom.model.safetensors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.fathom.engine.DType;
import dev.fathom.engine.Tensor;
import dev.fathom.model.files.CheckpointException;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SafetensorsTest {
    @TempDir
    Path folder;

    /** The example of the format's README, byte for byte: what others write, not only what we write. */
    @Test
    void readsAFileBuiltByHand() throws Exception {
        String header = "{\"__metadata__\":{\"by\":\"hand\"},"
                + "\"b\":{\"dtype\":\"I32\",\"shape\":[2],\"data_offsets\":[4,12]},"
                + "\"a\":{\"data_offsets\":[0,4],\"shape\":[],\"dtype\":\"F32\"}}   ";
        byte[] text = header.getBytes(StandardCharsets.UTF_8);
        ByteBuffer bytes = ByteBuffer.allocate(8 + text.length + 12).order(ByteOrder.LITTLE_ENDIAN);
        bytes.putLong(text.length).put(text).putFloat(1.5f).putInt(-7).putInt(9);
        Path file = folder.resolve("hand.safetensors");
        Files.write(file, bytes.array());

        Safetensors opened = Safetensors.open(file);
        assertThat(opened.names()).containsExactly("b", "a");
        assertThat(opened.metadata()).containsEntry("by", "hand");
        assertThat(opened.get("a").shape()).isEmpty();
        assertThat(opened.get("a").view().toFloats()).containsExactly(1.5f);
        assertThat(opened.get("b").view().toInts()).containsExactly(-7, 9);
        assertThatThrownBy(() -> opened.get("c"))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("tensor \"c\"");
        assertThatThrownBy(() -> opened.get("b").toFloats())
                .hasMessage(file + ": tensor \"b\": dtype: found I32, expected F32, F16, BF16 or F8_E4M3");
        assertThatThrownBy(() -> opened.get("b").copyTo(Tensor.zeros(DType.I32, 3)))
                .hasMessage(file + ": tensor \"b\": shape: found [2], expected [3]");
    }

    @Test
    void roundTripsOddShapesAndEmptyTensors() {
        List<NamedTensor> tensors = List.of(
                new NamedTensor("empty", Tensor.zeros(DType.F32, 0)),
                new NamedTensor("half", halves(3, 5)),
                new NamedTensor("one", Tensor.of(new float[] {-0.0f}, 1)),
                new NamedTensor("no.rows", Tensor.zeros(DType.BF16, 3, 0, 2)),
                new NamedTensor("cube", counting(DType.F32, 3, 7, 11)),
                new NamedTensor("ids", counting(DType.I32, 13)),
                new NamedTensor("ünïcode \"quoted\"\n", counting(DType.F32, 2)));
        Path file = folder.resolve("odd.safetensors");
        SafetensorsWriter.write(file, tensors);

        Safetensors opened = Safetensors.open(file);
        assertThat(opened.metadata()).containsEntry("format", "pt");
        assertThat(opened.names()).hasSize(tensors.size());
        for (NamedTensor tensor : tensors) {
            Tensor read = Tensor.zeros(tensor.view().dtype(), tensor.view().shape());
            opened.get(tensor.name()).copyTo(read);
            assertThat(read.shape()).isEqualTo(tensor.view().shape());
            assertThat(read.toFloats()).isEqualTo(tensor.view().toFloats());
            // The data of wide types begins aligned to their size.
            assertThat(opened.get(tensor.name()).data().address()
                            % tensor.storedAs().bytes())
                    .isZero();
        }
    }

    @Test
    void roundTripsColumnViews() {
        Tensor columns = counting(DType.F32, 5, 9).columns(2, 6);
        Path file = folder.resolve("columns.safetensors");
        SafetensorsWriter.write(
                file, List.of(new NamedTensor("c", columns), new NamedTensor("d", columns, StoredType.BF16)));
        Tensor target = Tensor.zeros(DType.F32, 5, 8);
        Safetensors.open(file).get("c").copyTo(target.columns(1, 5));
        assertThat(target.columns(1, 5).toFloats()).isEqualTo(columns.toFloats());
        assertThat(target.columns(0, 1).toFloats()).containsOnly(0);
        assertThat(target.columns(5, 8).toFloats()).containsOnly(0);
        Safetensors.open(file).get("d").copyTo(target.columns(4, 8));
        assertThat(target.columns(4, 8).toFloats()).isEqualTo(columns.toFloats()); // small integers fit bf16
    }

    /** Every bit pattern of both half formats goes to F32 and back unchanged; a NaN stays a NaN. */
    @Test
    void halfFormatsConvertExactly() {
        float[] bf16 = new float[1 << 16];
        float[] f16 = new float[1 << 16];
        for (int bits = 0; bits < 1 << 16; bits++) {
            bf16[bits] = Float.intBitsToFloat(bits << 16);
            f16[bits] = Float.float16ToFloat((short) bits);
        }
        Path file = folder.resolve("half.safetensors");
        SafetensorsWriter.write(
                file,
                List.of(
                        new NamedTensor("bf16", Tensor.of(bf16, 256, 256)).as(StoredType.BF16),
                        new NamedTensor("f16", Tensor.of(f16, 256, 256)).as(StoredType.F16)));
        Safetensors opened = Safetensors.open(file);
        assertThat(opened.get("bf16").type()).isEqualTo(StoredType.BF16);
        assertThat(opened.get("bf16").data().byteSize()).isEqualTo(2 << 16);
        assertThat(opened.get("bf16").toFloats().toFloats()).isEqualTo(bf16);
        assertThat(opened.get("f16").toFloats().toFloats()).isEqualTo(f16);
    }

    @Test
    void roundsToNearestEven() {
        float[] values = {1 + 0x1p-8f, 1 + 3 * 0x1p-8f, 1 + 0x1p-8f + 0x1p-20f, 65519, 65520, 0x1p-25f, Float.MAX_VALUE
        };
        Path file = folder.resolve("rounded.safetensors");
        SafetensorsWriter.write(
                file,
                List.of(
                        new NamedTensor("bf16", Tensor.of(values, 7)).as(StoredType.BF16),
                        new NamedTensor("f16", Tensor.of(values, 7)).as(StoredType.F16)));
        Safetensors opened = Safetensors.open(file);
        assertThat(opened.get("bf16").toFloats().toFloats())
                .startsWith(1, 1 + 4 * 0x1p-8f, 1 + 2 * 0x1p-8f, 65536)
                .endsWith(0x1p-25f, Float.POSITIVE_INFINITY);
        assertThat(opened.get("f16").toFloats().toFloats())
                .endsWith(65504, Float.POSITIVE_INFINITY, 0, Float.POSITIVE_INFINITY);
        assertThatThrownBy(() -> new NamedTensor("x", counting(DType.I32, 2), StoredType.BF16))
                .hasMessage("tensor \"x\": I32 cannot be stored as BF16");
    }

    @Test
    void writesShardsWithAnIndex() throws Exception {
        List<NamedTensor> tensors = new ArrayList<>();
        for (int i = 0; i < 7; i++) {
            tensors.add(new NamedTensor("t" + i, counting(DType.F32, i == 3 ? 100 : 10)));
        }
        SafetensorsWriter.write(folder, "model", tensors, 80);
        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files.map(file -> file.getFileName().toString()))
                    .containsExactlyInAnyOrder(
                            "model-00001-of-00005.safetensors",
                            "model-00002-of-00005.safetensors",
                            "model-00003-of-00005.safetensors",
                            "model-00004-of-00005.safetensors",
                            "model-00005-of-00005.safetensors",
                            "model.safetensors.index.json");
        }
        Safetensors opened = Safetensors.open(folder, "model");
        assertThat(opened.names()).containsExactly("t0", "t1", "t2", "t3", "t4", "t5", "t6");
        assertThat(opened.get("t3").size()).isEqualTo(100);
        Path index = folder.resolve("model.safetensors.index.json");
        assertThat(Files.readString(index)).contains("\"total_size\" : 640");

        String text = Files.readString(index);
        reject(
                index,
                text.replace("\"t1\" : \"model-00001", "\"t1\" : \"model-00002"),
                "model-00002-of-00005.safetensors without it");
        reject(index, text.replaceAll("\"t1\" : [^,]*,", ""), "tensor \"t1\": file: found nothing");
        reject(
                index,
                text.replace("\"t1\" : \"model", "\"t1\" : \"../model"),
                "expected the name of a .safetensors file");
        reject(index, text.replace("model-00005-of-00005", "model-00006-of-00005"), "no such file");
        reject(index, "{}", "weight_map: found nothing");
        Files.writeString(index, text);
        SafetensorsWriter.write(folder, "model", tensors, Long.MAX_VALUE);
        assertThatThrownBy(() -> Safetensors.open(folder, "model")).hasMessageContaining("expected one of the two");
        assertThatThrownBy(() -> Safetensors.open(folder, "other")).hasMessageContaining("found no weights");
    }

    private void reject(Path index, String text, String message) throws IOException {
        Files.writeString(index, text);
        assertThatThrownBy(() -> Safetensors.open(folder, "model"))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining(message);
    }

    @Test
    void reachesBeyondTwoGibibytes() throws Exception {
        long far = 5L << 30;
        String header = "{\"big\":{\"dtype\":\"U8\",\"shape\":[5,1073741824],\"data_offsets\":[0," + far + "]},"
                + "\"last\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[" + far + "," + (far + 8) + "]}}";
        byte[] text = header.getBytes(StandardCharsets.UTF_8);
        Path file = folder.resolve("sparse.safetensors");
        try (RandomAccessFile out = new RandomAccessFile(file.toFile(), "rw")) {
            ByteBuffer start = ByteBuffer.allocate(8 + text.length).order(ByteOrder.LITTLE_ENDIAN);
            out.write(start.putLong(text.length).put(text).array());
            out.setLength(8 + text.length + far + 8); // a hole: no disk space where the file system has sparse files
            out.seek(8 + text.length + far);
            out.write(ByteBuffer.allocate(8)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putFloat(3)
                    .putFloat(4)
                    .array());
        } catch (IOException e) {
            assumeTrue(false, "no sparse file of 5 GiB in " + folder + ": " + e);
        }
        Safetensors opened = Safetensors.open(file);
        assertThat(opened.get("last").toFloats().toFloats()).containsExactly(3, 4);
        assertThat(opened.get("big").size()).isEqualTo(far);
        assertThat(opened.get("big").data().get(ValueLayout.JAVA_BYTE, far - 1)).isZero();
    }

    @Test
    void leavesTheOldFileWhenWritingFails() throws Exception {
        Path file = folder.resolve("model.safetensors");
        Files.writeString(file, "old");
        NamedTensor tensor = new NamedTensor("a", counting(DType.F32, 2));
        assertThatThrownBy(() -> SafetensorsWriter.write(file, List.of(tensor, tensor)))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("tensor \"a\": name: found a second use");
        assertThat(file).hasContent("old");
        assertThatThrownBy(() -> SafetensorsWriter.write(folder.resolve("no/such.safetensors"), List.of(tensor)))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("cannot be written");
        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files).containsExactly(file);
        }
    }

    @Test
    void listsEverythingThatDoesNotFitAndChangesNothing() {
        Path file = folder.resolve("model.safetensors");
        SafetensorsWriter.write(
                file,
                List.of(
                        new NamedTensor("same", counting(DType.F32, 2)),
                        new NamedTensor("shape", counting(DType.F32, 2, 3)),
                        new NamedTensor("type", counting(DType.I32, 2)),
                        new NamedTensor("extra", counting(DType.F32, 2))));
        Tensor same = Tensor.zeros(DType.F32, 2);
        List<NamedTensor> targets = new ArrayList<>(List.of(
                new NamedTensor("same", same),
                new NamedTensor("shape", Tensor.zeros(DType.F32, 3, 2)),
                new NamedTensor("type", Tensor.zeros(DType.F32, 2))));
        for (int i = 0; i < 7; i++) {
            targets.add(new NamedTensor("m" + i, Tensor.zeros(DType.F32, 1)));
        }
        assertThatThrownBy(() -> TensorLoader.load(Safetensors.open(file), targets, name -> false))
                .isInstanceOf(CheckpointException.class)
                .hasMessage(file + ": checkpoint of another model: 7 tensors missing (m0, m1, m2, m3, m4, and 2 more);"
                        + " 1 tensor unexpected (extra); 1 tensor of another shape (shape: found [2, 3], expected [3, 2]);"
                        + " 1 tensor of a type that cannot be converted (type: found I32, expected F32)");
        assertThat(same.toFloats()).containsExactly(0, 0);
        TensorLoader.load(Safetensors.open(file), targets.subList(0, 1), name -> !name.equals("same"));
        assertThat(same.toFloats()).containsExactly(0, 1);
    }

    private static Tensor counting(DType type, long... shape) {
        Tensor tensor = Tensor.zeros(type, shape);
        for (long row = 0; row < tensor.rows(); row++) {
            for (long column = 0; column < tensor.columns(); column++) {
                tensor.set(row, column, row * tensor.columns() + column);
            }
        }
        return tensor;
    }

    private static Tensor halves(long... shape) {
        return counting(DType.BF16, shape);
    }
}
