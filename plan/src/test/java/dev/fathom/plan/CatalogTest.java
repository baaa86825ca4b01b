package dev.fathom.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.plan.hardware.Hardware;
import dev.fathom.plan.hardware.HardwareCatalog;
import dev.fathom.plan.shape.ModelShapes;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CatalogTest {
    @TempDir
    Path folder;

    @Test
    void everyDeviceIsReadAndPlausible() {
        for (String name : HardwareCatalog.BUILT_IN) {
            Hardware device = HardwareCatalog.find(name);
            assertThat(device.name()).isEqualTo(name);
            device.gemmFlops().forEach((precision, figure) -> {
                assertThat(figure.value()).isLessThan(device.peak(precision));
                assertThat(figure.source()).isNotBlank();
            });
        }
    }

    @Test
    void everyModelIsRead() {
        for (String name : ModelShapes.BUILT_IN) {
            assertThat(ModelShapes.find(name).parameters()).isPositive();
        }
    }

    @Test
    void aUsersDeviceIsCheckedKeyByKey() throws Exception {
        Path file = folder.resolve("mine.json");
        try (var in = HardwareCatalog.class.getResourceAsStream("/dev/fathom/plan/hardware/h100.json")) {
            Files.copy(in, file);
        }
        assertThat(HardwareCatalog.find(file.toString()).devicesPerNode()).isEqualTo(8);
        String text = Files.readString(file);
        Files.writeString(file, text.replace("\"nodeBytesPerSecond\"", "\"nvlink\""));
        assertThatThrownBy(() -> HardwareCatalog.find(file.toString()))
                .isInstanceOf(PlanException.class)
                .hasMessageContaining("nodeBytesPerSecond: found nothing");
        Files.writeString(file, text.replaceFirst("\"source\": \"[^\"]*\"", "\"sauce\": \"x\""));
        assertThatThrownBy(() -> HardwareCatalog.find(file.toString())).hasMessageContaining("source");
    }

    @Test
    void aConfigKeyThatMattersIsRefused() throws Exception {
        Path file = folder.resolve("config.json");
        Files.writeString(
                file,
                "{ \"model_type\": \"llama\", \"vocab_size\": 100, \"hidden_size\": 64, \"num_hidden_layers\": 2,"
                        + " \"num_attention_heads\": 4, \"intermediate_size\": 128, \"num_local_experts\": 8 }");
        assertThatThrownBy(() -> ModelShapes.find(file.toString())).hasMessageContaining("num_local_experts: found 8");
        Files.writeString(file, "{ \"model_type\": \"mamba\" }");
        assertThatThrownBy(() -> ModelShapes.find(file.toString())).hasMessageContaining("mamba");
    }
}
