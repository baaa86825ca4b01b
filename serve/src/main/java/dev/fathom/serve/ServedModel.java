package dev.fathom.serve;

import dev.fathom.infer.Fathom;
import dev.fathom.infer.GenerationEngine;
import dev.fathom.infer.Sampling;
import dev.fathom.infer.grammar.TokenTable;
import dev.fathom.infer.tools.ToolFormat;
import dev.fathom.model.chat.ChatTemplate;
import dev.fathom.model.tokenizer.Tokenizer;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * The model that the server has.
 *
 * @param name what clients call it
 * @param engine what answers
 * @param template how it wants to be talked to, null for a model that was never taught to converse
 * @param defaults how it is sampled unless a request says otherwise
 * @param kernels what computes, in one line
 * @param created when its files were made, seconds since 1970
 * @param problems from what somebody typed to what a model of {@code fathom learn} is given
 * @param table the bytes of its tokens, made when the first answer is to be JSON
 */
public record ServedModel(
        String name,
        GenerationEngine engine,
        @Nullable ChatTemplate template,
        Sampling defaults,
        String kernels,
        long created,
        UnaryOperator<String> problems,
        Supplier<TokenTable> table) {

    /** @param created when its files were made, seconds since 1970 */
    public static ServedModel of(Fathom fathom, String name, long created) {
        return of(
                name,
                fathom.engine(),
                fathom.chatTemplate(),
                fathom.defaults(),
                fathom.kernels(),
                created,
                fathom::problem);
    }

    static ServedModel of(
            String name,
            GenerationEngine engine,
            @Nullable ChatTemplate template,
            Sampling defaults,
            String kernels,
            long created,
            UnaryOperator<String> problems) {
        return new ServedModel(
                name, engine, template, defaults, kernels, created, problems, new Once(engine.tokenizer()));
    }

    Tokenizer tokenizer() {
        return engine.tokenizer();
    }

    /** How it asks for functions to be called; none if it does not. */
    Optional<ToolFormat> toolFormat() {
        return Optional.ofNullable(template).flatMap(ToolFormat::of);
    }

    /** Whether its vocabulary has the tags of R1-Zero's template: a model of {@code fathom learn}. */
    boolean hasAnswerTags() {
        return has("<think>") && has("</think>") && has("<answer>") && has("</answer>");
    }

    boolean has(String token) {
        return tokenizer().id(token).isPresent();
    }

    private static final class Once implements Supplier<TokenTable> {
        private final Tokenizer tokenizer;
        private @Nullable TokenTable table;

        Once(Tokenizer tokenizer) {
            this.tokenizer = tokenizer;
        }

        @Override
        public synchronized TokenTable get() {
            if (table == null) {
                table = TokenTable.of(tokenizer);
            }
            return table;
        }
    }
}
