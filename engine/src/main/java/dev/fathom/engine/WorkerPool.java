package dev.fathom.engine;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * The engine's threads: persistent, spinning for a moment after each job and then parked.
 *
 * <p>A job is a number of independent tasks, each writing its own outputs; which thread runs which task is decided while
 * running and must not matter. The calling thread works too, as worker 0. Jobs come from one thread at a time and do not
 * nest.
 */
public final class WorkerPool implements AutoCloseable {
    /** One task of a job. */
    @FunctionalInterface
    public interface Task {
        /** @param task 0 to tasks - 1; @param worker 0 to threads - 1, for {@link WorkerPool#scratch} */
        void run(int task, int worker);
    }

    private static final int SPINS = 20_000;

    private final Thread[] threads;
    private final MemorySegment[] scratch;
    private final AtomicInteger next = new AtomicInteger();
    private final AtomicInteger busy = new AtomicInteger();
    private volatile int generation;
    private volatile boolean closed;
    private volatile @Nullable Throwable failure;
    private @Nullable Task body;
    private int tasks;

    /** @param threadCount number of threads that work on a job, the caller included; at least 1 */
    public WorkerPool(int threadCount) {
        if (threadCount < 1) {
            throw new IllegalArgumentException("threads must be at least 1, is " + threadCount);
        }
        scratch = new MemorySegment[threadCount];
        for (int i = 0; i < threadCount; i++) {
            scratch[i] = Arena.ofAuto().allocate(1 << 16, Memory.ALIGNMENT);
        }
        threads = new Thread[threadCount - 1];
        for (int i = 0; i < threads.length; i++) {
            int worker = i + 1;
            threads[i] = Thread.ofPlatform().daemon().name("fathom-worker-" + worker).unstarted(() -> serve(worker));
        }
        for (Thread thread : threads) {
            thread.start();
        }
    }

    /** Number of threads, the caller included. */
    public int threads() {
        return scratch.length;
    }

    /** Runs all tasks and returns when the last has ended; the first exception of a task is thrown here. */
    public void run(int taskCount, Task task) {
        if (taskCount <= 1 || threads.length == 0) {
            for (int i = 0; i < taskCount; i++) {
                task.run(i, 0);
            }
            return;
        }
        body = task;
        tasks = taskCount;
        failure = null;
        next.setRelease(0);
        busy.setRelease(threads.length);
        generation++; // publishes the fields above
        for (Thread thread : threads) {
            LockSupport.unpark(thread);
        }
        work(task, taskCount, 0);
        while (busy.getAcquire() > 0) {
            Thread.onSpinWait();
        }
        body = null;
        Throwable thrown = failure;
        if (thrown != null) {
            throw new IllegalStateException("a worker task failed: " + thrown.getMessage(), thrown);
        }
    }

    /** Splits {@code items} into blocks of {@code grain} and runs one task per block. */
    public void forBlocks(long items, long grain, Range range) {
        int blocks = Math.toIntExact((items + grain - 1) / grain);
        run(blocks, (task, worker) -> range.run(task * grain, Math.min(items, (task + 1) * grain), worker));
    }

    /** A block of items. */
    @FunctionalInterface
    public interface Range {
        /** @param from inclusive; @param to exclusive */
        void run(long from, long to, int worker);
    }

    /** Address of at least {@code bytes} of scratch memory of this worker, valid until its next call. */
    public long scratch(int worker, long bytes) {
        if (scratch[worker].byteSize() < bytes) {
            scratch[worker] = Arena.ofAuto().allocate(Memory.align(bytes + bytes / 2), Memory.ALIGNMENT);
        }
        return scratch[worker].address();
    }

    private void work(Task task, int taskCount, int worker) {
        try {
            for (int i = next.getAndIncrement(); i < taskCount; i = next.getAndIncrement()) {
                task.run(i, worker);
            }
        } catch (Throwable thrown) {
            failure = thrown;
            next.set(taskCount); // the others stop early
        }
    }

    private void serve(int worker) {
        int seen = 0;
        while (true) {
            int spins = 0;
            while (generation == seen && !closed) {
                if (spins++ < SPINS) {
                    Thread.onSpinWait();
                } else {
                    LockSupport.park(this);
                }
            }
            if (closed) {
                return;
            }
            seen = generation;
            Task task = body;
            if (task != null) {
                work(task, tasks, worker);
            }
            busy.getAndDecrement();
        }
    }

    @Override
    public void close() {
        closed = true;
        for (Thread thread : threads) {
            LockSupport.unpark(thread);
        }
    }
}
