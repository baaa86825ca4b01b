package dev.fathom.engine;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * All parameters of a model in one flat F32 buffer, in the order they were added; gradients and the optimizer's two moments
 * in buffers of the same layout.
 *
 * <p>Clipping by the global norm, AdamW, all-reduce, checkpointing and weight averaging are then passes over contiguous memory that
 * need to know nothing about the model. Each parameter begins at a multiple of 16 elements (one cache line); the padding between is zero
 * in all four buffers and stays zero. Gradients and moments exist from the first time they are asked for: generation needs none.
 */
public final class Parameters implements Iterable<Parameter> {
    private static final int ALIGNMENT = (int) (Memory.ALIGNMENT / Float.BYTES);

    /** Philox stream of initial values ("init"); the step is a hash of the name. */
    private static final int INITIAL_VALUES = 0x696e6974;

    private final Tensor values;
    private final List<Parameter> ordered;
    private final Map<String, Parameter> byName;
    private final List<Span> trainedSpans;
    private final long count;
    private @Nullable Tensor gradients;
    private @Nullable Tensor firstMoments;
    private @Nullable Tensor secondMoments;

    private Parameters(List<Entry> entries) {
        long end = 0;
        for (Entry entry : entries) {
            end += aligned(entry.size());
        }
        values = Tensor.zeros(DType.F32, end);
        List<Parameter> list = new ArrayList<>();
        byName = new LinkedHashMap<>();
        long offset = 0;
        long elements = 0;
        for (Entry entry : entries) {
            Tensor value = values.slice(offset, entry.shape);
            Parameter parameter =
                    new Parameter(this, entry.name, entry.initializer, entry.trained, entry.decay, offset, value);
            list.add(parameter);
            byName.put(entry.name, parameter);
            offset += aligned(entry.size());
            elements += entry.size();
        }
        ordered = Collections.unmodifiableList(list);
        count = elements;
        trainedSpans = spans(list);
    }

    private static long aligned(long size) {
        return (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }

    /** Neighbours that the optimizer treats alike, as one span each. */
    private static List<Span> spans(List<Parameter> parameters) {
        List<Span> spans = new ArrayList<>();
        for (Parameter parameter : parameters) {
            if (!parameter.trained() || parameter.size() == 0) {
                continue;
            }
            long to = parameter.offset() + aligned(parameter.size());
            Span last = spans.isEmpty() ? null : spans.getLast();
            if (last != null && last.to == parameter.offset() && last.decay == parameter.decay()) {
                spans.set(spans.size() - 1, new Span(last.from, to, last.decay));
            } else {
                spans.add(new Span(parameter.offset(), to, parameter.decay()));
            }
        }
        return List.copyOf(spans);
    }

    /**
     * A contiguous part of the flat buffers that holds trained parameters only, padding included, all with or all without decay.
     *
     * @param from first element
     * @param to one past the last element
     */
    public record Span(long from, long to, boolean decay) {
        /** This part of one of the flat buffers. */
        public Tensor of(Tensor flat) {
            return flat.slice(from, to - from);
        }
    }

    /** The trained parameters as few contiguous spans, in order. */
    public List<Span> trainedSpans() {
        return trainedSpans;
    }

    /** All values, {@code [elements with padding]}. */
    public Tensor values() {
        return values;
    }

    /** All gradients in the same layout; zero at first. To be asked for again after {@link #zeroGradients}. */
    public Tensor gradients() {
        for (Parameter parameter : ordered) {
            if (!parameter.hasGradient()) {
                parameter.gradient();
            }
        }
        return gradientMemory();
    }

    /** Where the gradients lie, those that were cleared with whatever they were before. */
    Tensor gradientMemory() {
        Tensor flat = gradients;
        if (flat == null) {
            flat = Tensor.zeros(DType.F32, values.size());
            gradients = flat;
        }
        return flat;
    }

    /** First moments of the optimizer in the same layout; zero at first. */
    public Tensor firstMoments() {
        Tensor flat = firstMoments;
        if (flat == null) {
            flat = Tensor.zeros(DType.F32, values.size());
            firstMoments = flat;
        }
        return flat;
    }

    /** Second moments of the optimizer in the same layout; zero at first. */
    public Tensor secondMoments() {
        Tensor flat = secondMoments;
        if (flat == null) {
            flat = Tensor.zeros(DType.F32, values.size());
            secondMoments = flat;
        }
        return flat;
    }

    /** Sets all gradients to zero, as before the first backward pass of a step. */
    public void zeroGradients() {
        ordered.forEach(Parameter::clearGradient);
    }

    /** Number of parameters in the sense of "a 7B model": elements without padding, trained or not. */
    public long count() {
        return count;
    }

    /** The parameters in the order they were added. */
    public List<Parameter> list() {
        return ordered;
    }

    @Override
    public Iterator<Parameter> iterator() {
        return ordered.iterator();
    }

    /** The parameter of this name; an error that names it if there is none. */
    public Parameter get(String name) {
        return find(name).orElseThrow(() -> new IllegalArgumentException("no parameter is called " + name));
    }

    public Optional<Parameter> find(String name) {
        return Optional.ofNullable(byName.get(name));
    }

    /** Sets every parameter to its initial value for this seed, in parallel; the same for any number of threads. */
    public void initialize(long seed, WorkerPool pool) {
        for (Parameter parameter : ordered) {
            long base = parameter.value().address();
            long stream = hash(parameter.name());
            switch (parameter.initializer()) {
                case Initializer.Constant(float value) -> {
                    for (long i = 0; i < parameter.size(); i++) {
                        Memory.setFloat(base + 4 * i, value);
                    }
                }
                case Initializer.Normal(double std) ->
                    pool.forBlocks(parameter.size(), 4096, (from, to, worker) -> {
                        for (long i = from; i < to; i++) {
                            // The counter has 32 bits for the element; beyond that, the name's hash moves on.
                            float unit = Philox.gaussian(seed, INITIAL_VALUES, stream + (i >>> 32), (int) i);
                            Memory.setFloat(base + 4 * i, (float) (unit * std));
                        }
                    });
            }
        }
    }

    /** FNV-1a in 64 bits: short, specified, and wide enough that two names of a model do not share numbers. */
    private static long hash(String name) {
        long hash = 0xcbf29ce484222325L;
        for (int i = 0; i < name.length(); i++) {
            hash = (hash ^ name.charAt(i)) * 0x100000001b3L;
        }
        return hash;
    }

    private record Entry(String name, boolean trained, boolean decay, Initializer initializer, long... shape) {
        long size() {
            long size = 1;
            for (long dim : shape) {
                size = Math.multiplyExact(size, dim);
            }
            return size;
        }
    }

    /**
     * Collects the parameters of a model, then allocates them at once. What a model keeps of a parameter while it is being built is the
     * name; the tensors exist after {@link #build}.
     */
    public static final class Builder {
        private final Map<String, Entry> entries = new LinkedHashMap<>();

        /** A trained parameter. @param decay whether weight decay applies: true for matrices, false for norms */
        public Builder add(String name, boolean decay, Initializer initializer, long... shape) {
            return add(new Entry(name, true, decay, initializer, shape.clone()));
        }

        /** A parameter that is saved but has no gradient, such as the routing bias. */
        public Builder addUntrained(String name, Initializer initializer, long... shape) {
            return add(new Entry(name, false, false, initializer, shape.clone()));
        }

        /** Names and shapes, in order. */
        public Map<String, long[]> shapes() {
            Map<String, long[]> shapes = new LinkedHashMap<>();
            entries.forEach((name, entry) -> shapes.put(name, entry.shape.clone()));
            return shapes;
        }

        private Builder add(Entry entry) {
            if (entry.shape.length == 0) {
                throw new IllegalArgumentException(entry.name + " needs at least one dimension");
            }
            if (entries.putIfAbsent(entry.name, entry) != null) {
                throw new IllegalArgumentException("two parameters are called " + entry.name);
            }
            return this;
        }

        /** All parameters at zero, to be read from a file. */
        public Parameters allocate() {
            return new Parameters(List.copyOf(entries.values()));
        }

        /** All parameters at their initial values for this seed. */
        public Parameters build(long seed, WorkerPool pool) {
            Parameters parameters = allocate();
            parameters.initialize(seed, pool);
            return parameters;
        }
    }
}
