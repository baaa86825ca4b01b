package dev.fathom.langchain4j;

import dev.fathom.infer.Fathom;
import dev.fathom.infer.Sampling;
import dev.langchain4j.model.chat.Capability;
import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.response.ChatResponse;
import java.util.Set;
import java.util.concurrent.CompletableFuture;

/**
 * A model in this process, for LangChain4j. What it thought before it answered is {@code AiMessage.thinking()}; JSON schemas are kept by
 * constrained decoding. Any number of threads may ask at the same time.
 *
 * <pre>{@code
 * try (Fathom fathom = Fathom.load(Path.of("DeepSeek-R1-Distill-Qwen-1.5B"))) {
 *     ChatModel model = new FathomChatModel(fathom);
 *     System.out.println(model.chat("What is 17 * 24?"));
 * }
 * }</pre>
 */
public final class FathomChatModel implements ChatModel {
    private final Requests requests;

    /** @param fathom is not closed with this */
    public FathomChatModel(Fathom fathom) {
        this(fathom, fathom.defaults());
    }

    /**
     * The same with settings of its own, such as a seed or a thinking budget, for which LangChain4j's requests have no field.
     *
     * @param defaults what a request does not say
     */
    public FathomChatModel(Fathom fathom, Sampling defaults) {
        this.requests = new Requests(fathom, defaults);
    }

    @Override
    public ChatResponse doChat(ChatRequest request) {
        CompletableFuture<ChatResponse> response = new CompletableFuture<>();
        requests.submit(request, new Answer(requests.name(), requests.calls(request), Answer.Listener.NONE, response));
        return Requests.await(response);
    }

    @Override
    public Set<Capability> supportedCapabilities() {
        return Set.of(Capability.RESPONSE_FORMAT_JSON_SCHEMA);
    }
}
