package dev.fathom.engine;

import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * The engine's threads: persistent, spinning for a moment after each job and then parked.
 *
 * <p>A job is a number of independent tasks, each writing its own outputs; which thread runs which task is decided while
 * running and must not matter. The calling thread works too, as worker 0. Jobs come from one thread at a time.
 *
 * <p>A thread begins with its own share of the tasks, the first thread with the first ones, and helps the others when it has done them. Operations
 * divide rows in order, so a thread mostly reads what it has written itself: cores that do not share a cache, as two of a virtual machine may not at any
 * moment, hand each other as little as possible.
 *
 * <p>A job that a task starts runs on that task's thread alone. So whole parts of a computation can be tasks, each of many operations that are jobs
 * themselves, and nobody waits for anybody between them.
 */
public final class WorkerPool implements AutoCloseable {
    /** One task of a job. */
    @FunctionalInterface
    public interface Task {
        /** @param task 0 to tasks - 1; @param worker 0 to threads - 1, for {@link WorkerPool#scratch} */
        void run(int task, int worker);
    }

    /** Polls before a worker without work parks: about a tenth of a millisecond, longer than the gap between two operations. */
    private static final int SPINS = 20_000;

    /** Polls before a caller whose tasks are all taken gives its core to whoever wants it: another process may hold up a worker. */
    private static final int SPINS_BEFORE_YIELD = 2_000;

    /** Bytes of one task of {@link #zero}. */
    private static final long ZERO_BLOCK = 256 << 10;

    private final Worker[] workers;
    private final MemorySegment[] scratch;
    private final MemorySegment[] partials;
    private final MemorySegment[] zeros;

    /** The worker whose task this thread is running, if it is. */
    private final ThreadLocal<@Nullable Integer> running = new ThreadLocal<>();

    private volatile @Nullable Job job;
    private volatile boolean closed;

    /**
     * The tasks of one {@link #run}. The caller waits for tasks, not for threads: a worker that wakes too late finds nothing left
     * to take, and nobody has waited for it.
     */
    private static final class Job {
        /** Ints between two counters: more than a cache line. */
        private static final int APART = 32;

        final Task body;
        final int tasks;
        final int workers;

        /** Of each worker's share, how many tasks have been taken. */
        final AtomicIntegerArray taken;

        final AtomicInteger unfinished;
        volatile @Nullable Throwable failure;

        Job(Task body, int tasks, int workers) {
            this.body = body;
            this.tasks = tasks;
            this.workers = workers;
            this.taken = new AtomicIntegerArray(workers * APART);
            this.unfinished = new AtomicInteger(tasks);
        }

        void work(int worker, ThreadLocal<@Nullable Integer> running) {
            running.set(worker);
            for (int i = 0; i < workers; i++) {
                work(worker, (worker + i) % workers);
            }
            running.remove();
        }

        private void work(int worker, int share) {
            int first = (int) ((long) tasks * share / workers);
            int end = (int) ((long) tasks * (share + 1) / workers);
            int done = 0;
            for (int i = first + taken.getAndIncrement(share * APART);
                    i < end;
                    i = first + taken.getAndIncrement(share * APART)) {
                try {
                    if (failure == null) {
                        body.run(i, worker);
                    }
                } catch (Throwable thrown) {
                    failure = thrown; // the remaining tasks are taken without being run
                }
                done++;
            }
            // Once, not task by task: threads that count down together pass a cache line to and fro.
            if (done > 0) {
                unfinished.getAndAdd(-done);
            }
        }
    }

    /** @param threadCount number of threads that work on a job, the caller included; at least 1 */
    public WorkerPool(int threadCount) {
        if (threadCount < 1) {
            throw new IllegalArgumentException("threads must be at least 1, is " + threadCount);
        }
        scratch = memory(threadCount);
        partials = memory(threadCount);
        zeros = memory(threadCount);
        workers = new Worker[threadCount - 1];
        for (int i = 0; i < workers.length; i++) {
            workers[i] = new Worker(i + 1);
        }
        for (Worker worker : workers) {
            worker.thread.start();
        }
    }

    private static MemorySegment[] memory(int threadCount) {
        MemorySegment[] memory = new MemorySegment[threadCount];
        for (int i = 0; i < threadCount; i++) {
            memory[i] = Memory.allocate(1 << 16);
        }
        return memory;
    }

    /** Number of threads, the caller included. */
    public int threads() {
        return scratch.length;
    }

    /** Number of threads that work on a job of the calling thread: {@link #threads()}, or 1 inside a task. */
    public int parallelism() {
        return running.get() == null ? threads() : 1;
    }

    /** Runs all tasks and returns when the last has ended; the first exception of a task is thrown here. */
    public void run(int taskCount, Task task) {
        Integer inside = running.get();
        if (taskCount <= 1 || workers.length == 0 || inside != null) {
            int worker = inside == null ? 0 : inside;
            for (int i = 0; i < taskCount; i++) {
                task.run(i, worker);
            }
            Reference.reachabilityFence(task);
            return;
        }
        Job mine = new Job(task, taskCount, threads());
        job = mine;
        for (Worker worker : workers) {
            worker.wake();
        }
        mine.work(0, running);
        for (int spins = 0; mine.unfinished.getAcquire() > 0; spins++) {
            if (spins < SPINS_BEFORE_YIELD) {
                Thread.onSpinWait();
            } else {
                Thread.yield();
            }
        }
        // What the task captured (tensors, whose memory is freed with them) must outlive kernels that hold bare
        // addresses.
        Reference.reachabilityFence(task);
        Throwable thrown = mine.failure;
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

    /** Fills bytes with zero, on all threads where it pays. */
    public void zero(long address, long bytes) {
        forBlocks(bytes, ZERO_BLOCK, (from, to, worker) -> Memory.zero(address + from, to - from));
    }

    /** Address of at least {@code bytes} of scratch memory of this worker, valid until its next call. */
    public long scratch(int worker, long bytes) {
        if (scratch[worker].byteSize() < bytes) {
            scratch[worker] = Memory.allocate(bytes + bytes / 2);
        }
        return scratch[worker].address();
    }

    /**
     * Address of at least {@code bytes} of memory for the partial results of one job's tasks, valid until the next call; for the thread that
     * calls {@link #run}.
     */
    public long partials(long bytes) {
        return atLeast(bytes, partials);
    }

    /** Address of at least {@code bytes} of zeros, not to be written; for the thread that calls {@link #run}. */
    public long zeros(long bytes) {
        return atLeast(bytes, zeros);
    }

    private long atLeast(long bytes, MemorySegment[] memory) {
        Integer inside = running.get();
        int worker = inside == null ? 0 : inside;
        if (memory[worker].byteSize() < bytes) {
            memory[worker] = Memory.allocate(bytes + bytes / 2);
        }
        return memory[worker].address();
    }

    /** One persistent thread. */
    private final class Worker {
        private final int index;
        private final Thread thread;
        private volatile boolean parked;

        Worker(int index) {
            this.index = index;
            this.thread =
                    Thread.ofPlatform().daemon().name("fathom-worker-" + index).unstarted(this::serve);
        }

        /** Costs a system call only where the thread has gone to sleep. */
        void wake() {
            if (parked) {
                LockSupport.unpark(thread);
            }
        }

        private void serve() {
            @Nullable Job seen = null;
            int spins = 0;
            while (!closed) {
                Job current = job;
                if (current != null && current != seen) {
                    seen = current;
                    current.work(index, running);
                    spins = 0;
                } else if (spins++ < SPINS) {
                    Thread.onSpinWait();
                } else {
                    parked = true;
                    if (job == current
                            && !closed) { // look again: a job may have come before the caller could see the flag
                        LockSupport.park(WorkerPool.this);
                    }
                    parked = false;
                    spins = 0;
                }
            }
        }
    }

    @Override
    public void close() {
        closed = true;
        for (Worker worker : workers) {
            LockSupport.unpark(worker.thread);
        }
    }
}
