package dev.fathom.bench;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.engine.Engine;
import dev.fathom.engine.Precision;
import dev.fathom.engine.ReferenceKernels;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.openjdk.jmh.annotations.Param;

class KernelBenchmarkTest {
    @Test
    void everyKernelOfAStepIsBenchmarked() throws Exception {
        String[] listed = KernelBenchmark.class
                .getField("kernel")
                .getAnnotation(Param.class)
                .value();
        try (Engine engine = Engine.vector(Precision.F32, 1)) {
            Map<String, Call> calls = KernelBenchmark.largestCalls(Workload.training("tiny"), engine);

            assertThat(listed).containsExactlyInAnyOrderElementsOf(calls.keySet());
        }
    }

    @Test
    void bothImplementationsCanBeCalledOnTheRecordedOperands() {
        try (Engine engine = Engine.vector(Precision.F32, 1)) {
            for (Call call : KernelBenchmark.largestCalls(Workload.training("tiny"), engine)
                    .values()) {
                call.invoke(engine.kernels());
                call.invoke(new ReferenceKernels());
            }
        }
    }
}
