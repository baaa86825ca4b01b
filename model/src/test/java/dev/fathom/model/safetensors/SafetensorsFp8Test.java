package dev.fathom.model.safetensors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.engine.DType;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.quant.Float8;
import dev.fathom.model.files.CheckpointException;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** FP8 matrices as DeepSeek-V3 releases them, with a scale for every 128 x 128 weights. */
class SafetensorsFp8Test {
    @TempDir
    Path folder;

    @ParameterizedTest
    @CsvSource({"300, 260, F32", "128, 128, F32", "1, 1, F8_E8M0", "129, 127, F8_E8M0", "256, 384, F8_E8M0"})
    void everyWeightHasTheScaleOfItsBlock(int rows, int columns, StoredType scaleType) throws Exception {
        int down = (rows + 127) / 128;
        int across = (columns + 127) / 128;
        byte[] weights = new byte[rows * columns];
        new Random(1).nextBytes(weights);
        for (int i = 0; i < weights.length; i++) {
            weights[i] = (weights[i] & 0x7f) == 0x7f ? 0 : weights[i]; // no NaN
        }
        float[] scales = new float[down * across];
        ByteBuffer stored =
                ByteBuffer.allocate(scales.length * scaleType.bytes()).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < scales.length; i++) {
            if (scaleType == StoredType.F32) {
                scales[i] = 0.001f * (i + 1);
                stored.putFloat(scales[i]);
            } else {
                scales[i] = Math.scalb(1f, i - 3);
                stored.put((byte) (127 + i - 3));
            }
        }
        Path file = file(
                "w.weight",
                "[" + rows + "," + columns + "]",
                weights,
                scaleType,
                "[" + down + "," + across + "]",
                stored.array());

        Safetensors opened = Safetensors.open(file);
        Tensor read = opened.get("w.weight").toFloats();
        Tensor wide = Tensor.zeros(DType.F32, rows, columns + 5).columns(2, 2 + columns);
        TensorLoader.load(opened, List.of(new NamedTensor("w.weight", wide)), name -> false);
        for (int r = 0; r < rows; r++) {
            for (int c = 0; c < columns; c++) {
                float expected = Float8.fromE4m3(weights[r * columns + c]) * scales[r / 128 * across + c / 128];
                assertThat(read.get(r, c)).isEqualTo(expected);
                assertThat(wide.get(r, c)).isEqualTo(expected);
            }
        }
    }

    @Test
    void refusesScalesThatDoNotFit() throws Exception {
        byte[] weights = new byte[129 * 2];
        assertThatThrownBy(() -> Safetensors.open(file("a", "[129,2]", weights, StoredType.F32, "[1,1]", new byte[4])))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining(
                        "tensor \"a_scale_inv\": shape: found [1, 1], expected [2, 1], one scale per 128 x 128");
        assertThatThrownBy(() -> Safetensors.open(file("a", "[129,2]", weights, StoredType.BF16, "[2,1]", new byte[4])))
                .hasMessageContaining("tensor \"a_scale_inv\": dtype: found BF16, expected F32 or F8_E8M0");
        assertThatThrownBy(() -> Safetensors.open(file("a", "[258]", weights, StoredType.F32, "[3]", new byte[12])))
                .hasMessageContaining("tensor \"a\": shape: found [258], expected [rows, columns]");
        Safetensors none = Safetensors.open(file("a", "[129,2]", weights, StoredType.F32, "[0]", new byte[0], "b"));
        assertThatThrownBy(() -> none.get("a").toFloats())
                .hasMessageContaining("tensor \"a_scale_inv\": entry: found nothing, expected the scales of a");
    }

    private Path file(String name, String shape, byte[] weights, StoredType scaleType, String scaleShape, byte[] scales)
            throws Exception {
        return file(name, shape, weights, scaleType, scaleShape, scales, name + "_scale_inv");
    }

    private Path file(
            String name,
            String shape,
            byte[] weights,
            StoredType scaleType,
            String scaleShape,
            byte[] scales,
            String scaleName)
            throws Exception {
        String header =
                "{\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[0,%d]},\"%s\":{\"dtype\":\"F8_E4M3\",\"shape\":%s,\"data_offsets\":[%d,%d]}}"
                        .formatted(
                                scaleName,
                                scaleType,
                                scaleShape,
                                scales.length,
                                name,
                                shape,
                                scales.length,
                                scales.length + weights.length);
        byte[] json = header.getBytes(StandardCharsets.UTF_8);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.writeBytes(ByteBuffer.allocate(8)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(json.length)
                .array());
        out.writeBytes(json);
        out.writeBytes(scales);
        out.writeBytes(weights);
        return Files.write(folder.resolve("fp8.safetensors"), out.toByteArray());
    }
}
