package dev.fathom.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** {@link WorkerPool} under many small jobs, exceptions and parked threads. */
@Timeout(60)
class WorkerPoolTest {
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4})
    void everyTaskOfManySmallJobsRunsOnce(int threads) {
        try (WorkerPool pool = new WorkerPool(threads)) {
            for (int job = 0; job < 3000; job++) {
                int tasks = job % 9;
                AtomicIntegerArray runs = new AtomicIntegerArray(9);
                pool.run(tasks, (task, worker) -> {
                    assertThat(worker).isBetween(0, threads - 1);
                    runs.incrementAndGet(task);
                });
                for (int task = 0; task < 9; task++) {
                    assertThat(runs.get(task)).isEqualTo(task < tasks ? 1 : 0);
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4})
    void plainWritesOfTasksAreSeenAfterTheJob(int threads) {
        try (WorkerPool pool = new WorkerPool(threads)) {
            long[] values = new long[64];
            for (int job = 1; job <= 2000; job++) {
                int number = job;
                pool.run(values.length, (task, worker) -> values[task] += number);
            }
            assertThat(values).containsOnly(2000L * 2001 / 2);
        }
    }

    @Test
    void jobsOfATaskRunOnItsThread() {
        try (WorkerPool pool = new WorkerPool(3)) {
            assertThat(pool.parallelism()).isEqualTo(3);
            AtomicIntegerArray runs = new AtomicIntegerArray(20);
            pool.run(20, (task, worker) -> {
                Thread thread = Thread.currentThread();
                assertThat(pool.parallelism()).isEqualTo(1);
                long zeros = pool.zeros(100);
                pool.run(5, (inner, innerWorker) -> {
                    assertThat(Thread.currentThread()).isSameAs(thread);
                    assertThat(innerWorker).isEqualTo(worker);
                    assertThat(pool.zeros(100)).isEqualTo(zeros);
                    runs.incrementAndGet(task);
                });
            });
            for (int task = 0; task < 20; task++) {
                assertThat(runs.get(task)).isEqualTo(5);
            }
            assertThat(pool.parallelism()).isEqualTo(3);
        }
    }

    @Test
    void blocksCoverTheItems() {
        try (WorkerPool pool = new WorkerPool(3)) {
            for (long items : new long[] {0, 1, 99, 100, 101}) {
                AtomicLong sum = new AtomicLong();
                pool.forBlocks(items, 10, (from, to, worker) -> {
                    assertThat(to - from).isBetween(1L, 10L);
                    sum.addAndGet(to - from);
                });
                assertThat(sum.get()).isEqualTo(items);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 4})
    void anExceptionReachesTheCallerAndThePoolGoesOn(int threads) {
        try (WorkerPool pool = new WorkerPool(threads)) {
            for (int round = 0; round < 200; round++) {
                int bad = round % 20;
                assertThatThrownBy(() -> pool.run(20, (task, worker) -> {
                            if (task == bad) {
                                throw new IllegalArgumentException("task " + task);
                            }
                        }))
                        .hasMessageContaining("task " + bad);
                AtomicLong sum = new AtomicLong();
                pool.run(20, (task, worker) -> sum.addAndGet(task));
                assertThat(sum.get()).isEqualTo(190);
            }
        }
    }

    @Test
    void parkedThreadsWakeUp() throws InterruptedException {
        try (WorkerPool pool = new WorkerPool(3)) {
            for (int round = 0; round < 10; round++) {
                Thread.sleep(20); // longer than the spinning
                AtomicLong sum = new AtomicLong();
                pool.run(100, (task, worker) -> sum.addAndGet(task));
                assertThat(sum.get()).isEqualTo(4950);
            }
        }
    }

    @Test
    void scratchIsAlignedGrowsAndBelongsToOneWorker() {
        try (WorkerPool pool = new WorkerPool(2)) {
            long first = pool.scratch(0, 100);
            assertThat(first % Memory.ALIGNMENT).isZero();
            assertThat(pool.scratch(0, 100)).isEqualTo(first);
            assertThat(pool.scratch(1, 100)).isNotEqualTo(first);
            long large = pool.scratch(0, 1 << 20);
            Memory.zero(large, 1 << 20);
            assertThat(large % Memory.ALIGNMENT).isZero();
        }
    }

    @Test
    void aPoolNeedsAThread() {
        assertThatThrownBy(() -> new WorkerPool(0)).hasMessageContaining("0");
    }
}
