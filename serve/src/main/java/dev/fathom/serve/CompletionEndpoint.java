package dev.fathom.serve;

import dev.fathom.infer.FinishReason;
import dev.fathom.infer.GenerationEvent.End;
import dev.fathom.infer.GenerationEvent.Tokens;
import dev.fathom.infer.Prompt;
import dev.fathom.infer.SampledToken;
import dev.fathom.model.tokenizer.TokenizerException;
import dev.fathom.serve.api.ApiException;
import dev.fathom.serve.api.CompletionRequest;
import dev.fathom.serve.api.Origin;
import dev.fathom.serve.api.TextCompletion;
import io.helidon.webserver.http.Handler;
import io.helidon.webserver.http.ServerRequest;
import io.helidon.webserver.http.ServerResponse;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** {@code POST /v1/completions}: text goes on, or a gap in it is filled. Nothing is taken for a thought. */
final class CompletionEndpoint implements Handler {
    private final Server server;

    CompletionEndpoint(Server server) {
        this.server = server;
    }

    @Override
    public void handle(ServerRequest http, ServerResponse response) {
        ServedModel model = server.model();
        CompletionRequest request = CompletionRequest.read(server.body(http), model.defaults());
        server.requireModel(request.model());
        List<Prompt> prompts = new ArrayList<>();
        for (String prompt : request.prompts()) {
            prompts.add(prompt(model, prompt, request.suffix()));
        }
        Origin origin = server.origin("cmpl-");
        Generations generations = Generations.submit(model.engine(), prompts, request.sampling(), request.n());
        Exchange exchange = new Exchange(server, response, request.n());
        if (request.streaming().stream()) {
            exchange.stream(
                    generations,
                    new Chunks(model, origin, request),
                    request.streaming(),
                    usage -> TextCompletion.of(origin, List.of(), usage));
        } else {
            Whole whole = new Whole(model, request);
            exchange.whole(generations, whole, usage -> TextCompletion.of(origin, whole.choices(), usage));
        }
    }

    private static Prompt prompt(ServedModel model, String text, @Nullable String suffix) {
        try {
            Prompt prompt = Prompt.ofText(
                    model.tokenizer(),
                    suffix == null ? text : FillInTheMiddle.of(model).prompt(text, suffix));
            AnswerRules.room(model, prompt.tokens().length, "prompt");
            return prompt;
        } catch (TokenizerException e) {
            throw ApiException.invalid("prompt", "prompt: the model cannot read this: " + e.getMessage());
        } catch (IllegalArgumentException e) {
            throw ApiException.invalid("prompt", String.valueOf(e.getMessage()));
        }
    }

    private static String finishReason(End end) {
        return end.reason() == FinishReason.LENGTH ? "length" : "stop";
    }

    private static String echoed(CompletionRequest request, int index) {
        return request.echo() ? request.prompts().get(index / request.n()) : "";
    }

    private static final class Chunks implements Exchange.Answers {
        private final ServedModel model;
        private final Origin origin;
        private final CompletionRequest request;
        private final int[] offsets;

        Chunks(ServedModel model, Origin origin, CompletionRequest request) {
            this.model = model;
            this.origin = origin;
            this.request = request;
            this.offsets = new int[request.prompts().size() * request.n()];
        }

        @Override
        public List<Object> begin(int index) {
            String text = echoed(request, index);
            return text.isEmpty() ? List.of() : List.of(chunk(index, text, null, null));
        }

        @Override
        public List<Object> tokens(int index, Tokens event) {
            TextCompletion.LogProbs logProbs = event.tokens().isEmpty()
                    ? null
                    : TextCompletion.LogProbs.of(event.tokens(), model.tokenizer(), offsets[index]);
            offsets[index] += event.answer().length();
            boolean silent = event.answer().isEmpty() && logProbs == null;
            return silent ? List.of() : List.of(chunk(index, event.answer(), logProbs, null));
        }

        @Override
        public List<Object> end(int index, End event) {
            return List.of(chunk(index, "", null, finishReason(event)));
        }

        private TextCompletion chunk(
                int index, String text, TextCompletion.@Nullable LogProbs logProbs, @Nullable String finishReason) {
            return TextCompletion.of(
                    origin, List.of(new TextCompletion.Choice(index, text, logProbs, finishReason)), null);
        }
    }

    private static final class Whole implements Exchange.Answers {
        private final ServedModel model;
        private final CompletionRequest request;
        private final List<StringBuilder> texts = new ArrayList<>();
        private final List<List<SampledToken>> tokens = new ArrayList<>();
        private final String[] finishReasons;

        Whole(ServedModel model, CompletionRequest request) {
            this.model = model;
            this.request = request;
            int count = request.prompts().size() * request.n();
            this.finishReasons = new String[count];
            for (int i = 0; i < count; i++) {
                texts.add(new StringBuilder());
                tokens.add(new ArrayList<>());
            }
        }

        @Override
        public List<Object> tokens(int index, Tokens event) {
            texts.get(index).append(event.answer());
            tokens.get(index).addAll(event.tokens());
            return List.of();
        }

        @Override
        public List<Object> end(int index, End event) {
            finishReasons[index] = finishReason(event);
            return List.of();
        }

        List<TextCompletion.Choice> choices() {
            List<TextCompletion.Choice> choices = new ArrayList<>();
            for (int i = 0; i < texts.size(); i++) {
                choices.add(new TextCompletion.Choice(
                        i,
                        echoed(request, i) + texts.get(i),
                        tokens.get(i).isEmpty()
                                ? null
                                : TextCompletion.LogProbs.of(tokens.get(i), model.tokenizer(), 0),
                        finishReasons[i]));
            }
            return choices;
        }
    }
}
