package dev.fathom.model.convert;

import dev.fathom.engine.DType;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.quant.QuantizedType;
import dev.fathom.engine.quant.StoredMatrix;
import dev.fathom.model.files.CheckpointException;
import dev.fathom.model.gguf.Gguf;
import dev.fathom.model.gguf.GgufTensor;
import dev.fathom.model.release.GgufNames;
import dev.fathom.model.safetensors.Safetensors;
import dev.fathom.model.safetensors.StoredTensor;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The tensors of a released model, in Hugging Face's names and order of rows. */
final class GroupReader {
    private static final Pattern EXPERT = Pattern.compile("(.*\\.mlp\\.experts)\\.(\\d{1,6})(\\..*)");
    private static final String KEYS = "attn_k_b.weight";
    private static final String VALUES = "attn_v_b.weight";

    private GroupReader() {}

    // ---- safetensors

    static List<TensorGroup> read(Safetensors files) {
        Set<String> scales = new HashSet<>();
        for (StoredTensor tensor : files.tensors()) {
            if (tensor.scales() != null) {
                scales.add(tensor.scales().name());
            }
        }
        List<TensorGroup> groups = new ArrayList<>();
        Map<String, List<Rows>> experts = new LinkedHashMap<>();
        for (StoredTensor tensor : files.tensors()) {
            String name = tensor.name();
            if (scales.contains(name) || name.endsWith("rotary_emb.inv_freq") || isCopy(name)) {
                continue;
            }
            Matcher expert = EXPERT.matcher(name);
            if (expert.matches()) {
                String stack = expert.group(1) + expert.group(3);
                // Experts come in the order of the header; their numbers say where they belong.
                int count = 0;
                while (files.find(expert.group(1) + "." + count + expert.group(3))
                        .isPresent()) {
                    count++;
                }
                if (!experts.containsKey(stack)) {
                    List<Rows> matrices = new ArrayList<>();
                    for (int i = 0; i < count; i++) {
                        matrices.add(Rows.of(files.get(expert.group(1) + "." + i + expert.group(3))
                                .matrix()));
                    }
                    experts.put(stack, matrices);
                    groups.add(new TensorGroup(stack, false, count, matrices));
                }
            } else if (tensor.shape().size() == 1) {
                groups.add(TensorGroup.single(name, true, vector(tensor.toFloats())));
            } else {
                groups.add(TensorGroup.single(name, false, Rows.of(tensor.matrix())));
            }
        }
        return groups;
    }

    /** A multi-token-prediction module's own copies of the main model's table and head. */
    private static boolean isCopy(String name) {
        return name.matches("model\\.layers\\.\\d+\\.(embed_tokens|shared_head\\.head)\\.weight");
    }

    private static Rows vector(Tensor floats) {
        return Rows.of(StoredMatrix.of(floats.reshape(1, floats.size())));
    }

    // ---- GGUF

    /**
     * @param heads query heads, whose number of rows tells the width of one
     * @param keyHeads key/value heads
     * @param neighbours whether the rows of queries and keys are ordered for rotation in neighbouring pairs
     */
    static List<TensorGroup> read(Gguf file, int heads, int keyHeads, boolean neighbours) {
        List<TensorGroup> groups = new ArrayList<>();
        for (GgufTensor tensor : file.tensors()) {
            String own = tensor.name();
            if (own.equals("rope_freqs.weight") || own.endsWith(VALUES)) {
                continue; // the config has it; and it goes with its keys
            }
            String name = GgufNames.original(own)
                    .orElseThrow(() ->
                            CheckpointException.of(file.source(), own, "name", "it", "a name of its architecture"));
            if (isCopy(name)) {
                continue;
            }
            List<Long> shape = tensor.shape();
            if (own.endsWith(KEYS)) {
                if (file.find(own.replace(KEYS, "attn_kv_b.weight")).isEmpty()) {
                    groups.add(TensorGroup.single(
                            name.replace("k_b_proj", "kv_b_proj"),
                            false,
                            joined(tensor, file.get(own.replace(KEYS, VALUES)))));
                }
            } else if (shape.size() == 1) {
                groups.add(TensorGroup.single(name, true, vector(tensor.toFloats())));
            } else if (shape.size() == 2) {
                Rows rows = Rows.of(tensor.matrix(0, shape.get(0), shape.get(1)));
                if (neighbours && name.endsWith("self_attn.q_proj.weight")) {
                    rows = RotaryOrder.toHalves(rows, heads);
                } else if (neighbours && name.endsWith("self_attn.k_proj.weight")) {
                    rows = RotaryOrder.toHalves(rows, keyHeads);
                }
                groups.add(TensorGroup.single(name, false, rows));
            } else {
                List<Rows> matrices = new ArrayList<>();
                for (long i = 0; i < shape.get(0); i++) {
                    matrices.add(Rows.of(tensor.matrix(i * shape.get(1), shape.get(1), shape.get(2))));
                }
                groups.add(new TensorGroup(name, false, matrices.size(), matrices));
            }
        }
        return groups;
    }

    /** {@code [heads, latent, nope]} and {@code [heads, value, latent]} as {@code [heads * (nope + value), latent]}. */
    private static Rows joined(GgufTensor keys, GgufTensor values) {
        int heads = keys.shape().get(0).intValue();
        long latent = keys.shape().get(1);
        long nope = keys.shape().get(2);
        long value = values.shape().get(1);
        QuantizedType type = values.type();
        Rows keyRows = Rows.of(keys.matrix(0, heads * latent, nope));
        Rows valueRows = Rows.of(values.matrix(0, heads * value, latent));
        StoredMatrix turned = StoredMatrix.of(turned(keyRows.decode(), heads, latent, nope));
        return new Rows(heads * (nope + value), latent, type, row -> {
            long head = row / (nope + value);
            long inHead = row % (nope + value);
            return inHead < nope
                    ? new Rows.Place(turned, head * nope + inHead)
                    : valueRows.row().at(head * value + inHead - nope);
        });
    }

    /** {@code [heads * rows, columns]} with rows and columns of each head exchanged, {@code [heads * columns, rows]}. */
    static Tensor turned(Tensor matrices, int heads, long rows, long columns) {
        Tensor turned = Tensor.zeros(DType.F32, heads * columns, rows);
        for (long h = 0; h < heads; h++) {
            for (long r = 0; r < rows; r++) {
                for (long c = 0; c < columns; c++) {
                    turned.set(h * columns + c, r, matrices.get(h * rows + r, c));
                }
            }
        }
        return turned;
    }
}
