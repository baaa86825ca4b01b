package dev.fathom.model.release;

import dev.fathom.model.files.CheckpointException;
import dev.fathom.model.files.Json;
import dev.fathom.model.gguf.GgufMetadata;
import dev.fathom.model.tokenizer.Tokenizer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.SortedSet;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** The tokens at which an answer ends: one for the end of a document, others for the end of a turn. */
final class StopTokens {
    private StopTokens() {}

    /** Those of {@code generation_config.json}, else of {@code config.json}, and the tokenizer's own end of a document. */
    static SortedSet<Integer> of(Path directory, Tokenizer tokenizer, int vocabulary) {
        SortedSet<Integer> ids = new TreeSet<>();
        for (String name : new String[] {"generation_config.json", "config.json"}) {
            Path file = directory.resolve(name);
            if (ids.isEmpty() && Files.exists(file)) {
                add(ids, file, Json.readObject(file, CheckpointException::new).get("eos_token_id"), vocabulary);
            }
        }
        tokenizer.eosId().ifPresent(ids::add);
        return Collections.unmodifiableSortedSet(ids);
    }

    private static void add(SortedSet<Integer> ids, Path file, @Nullable JsonNode node, int vocabulary) {
        if (node == null || node.isNull()) {
            return;
        }
        if (node.isArray()) {
            node.forEach(element -> add(ids, file, element, vocabulary));
            return;
        }
        if (!node.canConvertToInt() || node.intValue() < 0 || node.intValue() >= vocabulary) {
            throw CheckpointException.of(
                    file, "eos_token_id", Json.describe(node), "token ids from 0 to " + (vocabulary - 1));
        }
        ids.add(node.intValue());
    }

    /** End of document, of turn and of message. */
    static SortedSet<Integer> of(Path file, GgufMetadata metadata, Tokenizer tokenizer, int vocabulary) {
        SortedSet<Integer> ids = new TreeSet<>();
        for (String role : new String[] {"eos", "eot", "eom"}) {
            String key = "tokenizer.ggml." + role + "_token_id";
            if (metadata.has(key)) {
                int id = metadata.size(key);
                if (id >= vocabulary) {
                    throw CheckpointException.of(file, key, id, "a token id from 0 to " + (vocabulary - 1));
                }
                ids.add(id);
            }
        }
        tokenizer.eosId().ifPresent(ids::add);
        return Collections.unmodifiableSortedSet(ids);
    }
}
