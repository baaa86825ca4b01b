package dev.fathom.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;

/** Layout, initial values and spans of {@link Parameters}. */
class ParametersTest {
    private static Parameters.Builder some() {
        return new Parameters.Builder()
                .add("embedding", true, Initializer.normal(0.02), 11, 3)
                .add("layer.up", true, Initializer.normal(0.02), 4, 3)
                .add("layer.norm", false, Initializer.ones(), 3)
                .addUntrained("layer.bias", Initializer.zeros(), 5)
                .add("head", true, Initializer.normal(0.02), 11, 3);
    }

    @Test
    void parametersLieInOrderAtCacheLines() {
        Parameters parameters = some().allocate();
        assertThat(parameters)
                .extracting(Parameter::name)
                .containsExactly("embedding", "layer.up", "layer.norm", "layer.bias", "head");
        assertThat(parameters).extracting(Parameter::offset).containsExactly(0L, 48L, 64L, 80L, 96L);
        assertThat(parameters.count()).isEqualTo(33 + 12 + 3 + 5 + 33);
        assertThat(parameters.values().size()).isEqualTo(96 + 48);
        assertThat(parameters.get("head").value().shape()).containsExactly(11, 3);
        assertThat(parameters.get("head").value().address() % Memory.ALIGNMENT).isZero();
    }

    @Test
    void spansJoinNeighboursThatAreTreatedAlike() {
        assertThat(some().allocate().trainedSpans())
                .containsExactly(
                        new Parameters.Span(0, 64, true),
                        new Parameters.Span(64, 80, false),
                        new Parameters.Span(96, 144, true));
    }

    @Test
    void gradientsAreViewsOfOneBuffer() {
        Parameters parameters = some().allocate();
        parameters.get("head").gradient().set(10, 2, 5);
        assertThat(parameters.gradients().get(0, 96 + 32)).isEqualTo(5);
        parameters.zeroGradients();
        assertThat(parameters.get("head").gradient().get(10, 2)).isZero();
        assertThatThrownBy(() -> parameters.get("layer.bias").gradient()).hasMessageContaining("layer.bias");
    }

    @Test
    void aClearedGradientIsWrittenOrZero() {
        Parameters parameters = some().allocate();
        Parameter head = parameters.get("head");
        Parameter up = parameters.get("layer.up");
        head.gradient().set(10, 2, 5);
        up.gradient().set(0, 0, 7);
        parameters.zeroGradients();
        assertThat(head.hasGradient()).isFalse();
        head.gradientToWrite().set(0, 0, 3); // as a product would, but for the rest
        assertThat(head.hasGradient()).isTrue();
        assertThat(head.gradient().get(0, 0)).isEqualTo(3);
        assertThat(parameters.gradients().get(0, up.offset())).isZero();
    }

    @Test
    void initialValuesDependOnSeedNameAndIndexAlone() {
        try (WorkerPool one = new WorkerPool(1);
                WorkerPool three = new WorkerPool(3)) {
            float[] first = some().build(7, one).get("head").value().toFloats();
            float[] alone = new Parameters.Builder()
                    .add("head", true, Initializer.normal(0.02), 11, 3)
                    .build(7, three)
                    .get("head")
                    .value()
                    .toFloats();
            assertThat(alone).isEqualTo(first);
            assertThat(some().build(8, one).get("head").value().toFloats()).isNotEqualTo(first);
            assertThat(some().build(7, one).get("embedding").value().toFloats()).isNotEqualTo(first);
            assertThat(some().build(7, one).get("layer.norm").value().toFloats())
                    .containsOnly(1);
        }
    }

    @Test
    void normalInitialValuesHaveTheirDeviation() {
        try (WorkerPool pool = new WorkerPool(2)) {
            Parameters parameters = new Parameters.Builder()
                    .add("matrix", true, Initializer.normal(0.02), 300, 333)
                    .build(3, pool);
            double sum = 0;
            double squares = 0;
            for (float value : parameters.values().toFloats()) {
                sum += value;
                squares += (double) value * value;
            }
            assertThat(sum / parameters.count()).isCloseTo(0, Offset.offset(3e-4));
            assertThat(Math.sqrt(squares / parameters.count())).isCloseTo(0.02, Offset.offset(2e-4));
        }
    }

    @Test
    void namesAreUniqueAndKnown() {
        assertThatThrownBy(() -> some().add("head", true, Initializer.zeros(), 1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("head");
        assertThatThrownBy(() -> some().allocate().get("tail")).hasMessageContaining("tail");
    }
}
