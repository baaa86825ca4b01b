package dev.fathom.model.tokenizer;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Tokens and their ids. Ids may have gaps: an added token may lie behind ids that nobody uses. */
final class Vocabulary {
    private final List<@Nullable String> tokens;
    private final Map<String, Integer> ids;

    /** @param tokens in id order, null where no token has the id; of a token given twice the first counts */
    Vocabulary(List<@Nullable String> tokens) {
        this.tokens = new ArrayList<>(tokens);
        this.ids = HashMap.newHashMap(tokens.size());
        for (int id = 0; id < tokens.size(); id++) {
            String token = tokens.get(id);
            if (token != null) {
                ids.putIfAbsent(token, id);
            }
        }
    }

    /** One more than the highest id. */
    int size() {
        return tokens.size();
    }

    /** The token of an id, or null for a gap. */
    @Nullable
    String find(int id) {
        return id >= 0 && id < tokens.size() ? tokens.get(id) : null;
    }

    /** The id of a token, or -1. */
    int id(String token) {
        return ids.getOrDefault(token, -1);
    }
}
