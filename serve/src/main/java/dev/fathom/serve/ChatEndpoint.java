package dev.fathom.serve;

import dev.fathom.infer.GenerationEvent.End;
import dev.fathom.infer.GenerationEvent.Tokens;
import dev.fathom.infer.Prompt;
import dev.fathom.infer.Sampling;
import dev.fathom.infer.tools.ToolFormat;
import dev.fathom.serve.ChatAnswer.Piece;
import dev.fathom.serve.api.ChatChunk;
import dev.fathom.serve.api.ChatChunk.Delta;
import dev.fathom.serve.api.ChatCompletion;
import dev.fathom.serve.api.ChatRequest;
import dev.fathom.serve.api.LogProbsJson;
import dev.fathom.serve.api.Origin;
import dev.fathom.serve.api.ToolChoice;
import io.helidon.webserver.http.Handler;
import io.helidon.webserver.http.ServerRequest;
import io.helidon.webserver.http.ServerResponse;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** {@code POST /v1/chat/completions}. */
final class ChatEndpoint implements Handler {
    private final Server server;

    ChatEndpoint(Server server) {
        this.server = server;
    }

    @Override
    public void handle(ServerRequest http, ServerResponse response) {
        ServedModel model = server.model();
        ChatRequest request = ChatRequest.read(
                server.body(http),
                model.defaults(),
                server.options().reasoningInput(),
                model.engine().contextLength());
        server.requireModel(request.model());
        Prompt prompt = ChatPrompt.of(model, request);
        Sampling sampling = server.rules().apply(request, prompt);
        boolean mayCall = !request.tools().isEmpty() && !(request.toolChoice() instanceof ToolChoice.None);
        ToolFormat format = mayCall ? model.toolFormat().orElseThrow() : null;
        Origin origin = server.origin("chatcmpl-");
        Generations generations = Generations.submit(model.engine(), List.of(prompt), sampling, request.n());
        Exchange exchange = new Exchange(server, response, request.n());
        if (request.streaming().stream()) {
            exchange.stream(
                    generations,
                    new Chunks(model, origin, format, request.n()),
                    request.streaming(),
                    usage -> ChatChunk.of(origin, usage));
        } else {
            Whole whole = new Whole(model, format, request.n());
            exchange.whole(generations, whole, usage -> ChatCompletion.of(origin, whole.choices(), usage));
        }
    }

    private static List<ChatAnswer> answers(@Nullable ToolFormat format, int n) {
        List<ChatAnswer> answers = new ArrayList<>();
        for (int i = 0; i < n; i++) {
            answers.add(new ChatAnswer(format));
        }
        return answers;
    }

    /** Answers in pieces: thinking, then text or calls, then why it ended. */
    private static final class Chunks implements Exchange.Answers {
        private final ServedModel model;
        private final Origin origin;
        private final List<ChatAnswer> answers;

        Chunks(ServedModel model, Origin origin, @Nullable ToolFormat format, int n) {
            this.model = model;
            this.origin = origin;
            this.answers = answers(format, n);
        }

        @Override
        public List<Object> begin(int index) {
            return List.of(chunk(index, Delta.BEGIN, null, null));
        }

        @Override
        public List<Object> tokens(int index, Tokens event) {
            return pieces(index, answers.get(index).add(event));
        }

        @Override
        public List<Object> end(int index, End event) {
            ChatAnswer answer = answers.get(index);
            List<Object> chunks = new ArrayList<>(pieces(index, answer.finish()));
            chunks.add(chunk(index, Delta.END, null, answer.finishReason(event)));
            return chunks;
        }

        /** Log-probabilities come with the first chunk of their tokens; if the text is still held back, with a chunk without text. */
        private List<Object> pieces(int index, Piece piece) {
            List<Delta> deltas = new ArrayList<>();
            if (!piece.thinking().isEmpty()) {
                deltas.add(Delta.thinking(piece.thinking()));
            }
            if (!piece.text().isEmpty()) {
                deltas.add(Delta.answer(piece.text()));
            }
            for (int i = 0; i < piece.calls().size(); i++) {
                deltas.add(Delta.call(piece.calls().get(i), piece.firstCall() + i));
            }
            LogProbsJson logProbs =
                    piece.tokens().isEmpty() ? null : LogProbsJson.of(piece.tokens(), model.tokenizer());
            if (logProbs != null && deltas.isEmpty()) {
                deltas.add(Delta.END);
            }
            List<Object> chunks = new ArrayList<>();
            for (int i = 0; i < deltas.size(); i++) {
                chunks.add(chunk(index, deltas.get(i), i == 0 ? logProbs : null, null));
            }
            return chunks;
        }

        private ChatChunk chunk(
                int index, Delta delta, @Nullable LogProbsJson logProbs, @Nullable String finishReason) {
            return ChatChunk.of(origin, new ChatChunk.Choice(index, delta, logProbs, finishReason));
        }
    }

    /** Answers as a whole. */
    private static final class Whole implements Exchange.Answers {
        private final ServedModel model;
        private final List<ChatAnswer> answers;
        private final List<ChatAnswer.Whole> texts = new ArrayList<>();
        private final String[] finishReasons;

        Whole(ServedModel model, @Nullable ToolFormat format, int n) {
            this.model = model;
            this.answers = answers(format, n);
            this.finishReasons = new String[n];
            answers.forEach(answer -> texts.add(new ChatAnswer.Whole()));
        }

        @Override
        public List<Object> tokens(int index, Tokens event) {
            texts.get(index).add(answers.get(index).add(event));
            return List.of();
        }

        @Override
        public List<Object> end(int index, End event) {
            texts.get(index).add(answers.get(index).finish());
            finishReasons[index] = answers.get(index).finishReason(event);
            return List.of();
        }

        List<ChatCompletion.Choice> choices() {
            List<ChatCompletion.Choice> choices = new ArrayList<>();
            for (int i = 0; i < texts.size(); i++) {
                ChatAnswer.Whole answer = texts.get(i);
                choices.add(new ChatCompletion.Choice(
                        i,
                        ChatCompletion.message(answer.text.toString(), answer.thinking.toString(), answer.calls),
                        answer.tokens.isEmpty() ? null : LogProbsJson.of(answer.tokens, model.tokenizer()),
                        finishReasons[i]));
            }
            return choices;
        }
    }
}
