package dev.fathom.model.chat;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.model.chat.ChatTemplate.Prompt;
import dev.fathom.model.jinja.TemplateException;
import dev.fathom.model.tokenizer.SpecialTokens;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Templates that work as those of released models do. */
class ChatTemplateTest {
    private static final SpecialTokens SPECIAL = SpecialTokens.REASONING;

    /** As DeepSeek-R1's: history keeps what follows the thinking, and the model begins in the middle of a thought. */
    private static final ChatTemplate R1 = ChatTemplate.parse(
            "{% set ns = namespace(system='') %}{%- for message in messages %}{%- if message['role'] == 'system' %}"
                    + "{% set ns.system = message['content'] %}{%- endif %}{%- endfor %}{{ bos_token }}{{ ns.system }}"
                    + "{%- for message in messages %}{%- if message['role'] == 'user' %}"
                    + "{{ '<|User|>' + message['content'] }}{%- endif %}{%- if message['role'] == 'assistant' %}"
                    + "{% set content = message['content'] %}{% if '</think>' in content %}"
                    + "{% set content = content.split('</think>')[-1] %}{% endif %}"
                    + "{{ '<|Assistant|>' + content + eos_token }}{%- endif %}{%- endfor -%}"
                    + "{% if add_generation_prompt %}{{ '<|Assistant|><think>\\n' }}{% endif %}",
            "r1.jinja");

    /** As Qwen3's: thinking is an option, and history shows it where it is given. */
    private static final ChatTemplate QWEN3 = ChatTemplate.parse("""
            {%- for message in messages %}
                {{- '<|im_start|>' + message.role + '\\n' }}
                {%- if message.reasoning_content is string %}
                    {{- '<think>\\n' + message.reasoning_content.strip('\\n') + '\\n</think>\\n\\n' }}
                {%- endif %}
                {{- message.content.lstrip('\\n') + '<|im_end|>\\n' }}
            {%- endfor %}
            {%- if add_generation_prompt %}
                {{- '<|im_start|>assistant\\n' }}
                {%- if enable_thinking is defined and enable_thinking is false %}
                    {{- '<think>\\n\\n</think>\\n\\n' }}
                {%- endif %}
            {%- endif %}
            """, "qwen3.jinja");

    @Test
    void historyKeepsWhatFollowsTheThinking() {
        Prompt prompt = R1.render(
                List.of(
                        ChatMessage.system("Be brief."),
                        ChatMessage.user("1+1?"),
                        ChatMessage.assistant("<think>\none\n</think>\n\n2", null),
                        ChatMessage.user("2+2?"),
                        ChatMessage.assistant("4", "two and two"),
                        ChatMessage.user("really?")),
                SPECIAL,
                null);
        assertThat(prompt.text())
                .isEqualTo("<bos>Be brief.<|User|>1+1?<|Assistant|>\n\n2<eos><|User|>2+2?<|Assistant|>4<eos>"
                        + "<|User|>really?<|Assistant|><think>\n");
        assertThat(prompt.opensThinking()).isTrue();
        assertThat(R1.choosesThinking()).isFalse();
    }

    @Test
    void thinkingIsAnOptionWhereTheTemplateAsks() {
        List<ChatMessage> messages =
                List.of(ChatMessage.user("a"), ChatMessage.assistant("b", "c"), ChatMessage.user("d"));
        String history = "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n<think>\nc\n</think>\n\nb<|im_end|>\n"
                + "<|im_start|>user\nd<|im_end|>\n<|im_start|>assistant\n";
        assertThat(QWEN3.choosesThinking()).isTrue();
        assertThat(QWEN3.render(messages, SPECIAL, null)).isEqualTo(new Prompt(history, false));
        assertThat(QWEN3.render(messages, SPECIAL, true)).isEqualTo(new Prompt(history, false));
        assertThat(QWEN3.render(messages, SPECIAL, false))
                .isEqualTo(new Prompt(history + "<think>\n\n</think>\n\n", false));
    }

    @Test
    void saysWhichTemplateIsWrong() {
        assertThatThrownBy(() -> ChatTemplate.parse("{% if", "model/chat_template.jinja"))
                .isInstanceOf(TemplateException.class)
                .hasMessageStartingWith("model/chat_template.jinja: line 1: ");
        ChatTemplate strict = ChatTemplate.parse("{{ raise_exception('no system role') }}", "t");
        assertThatThrownBy(() -> strict.render(List.of(ChatMessage.user("a")), SPECIAL, null))
                .hasMessage("t: line 1: the template says: no system role");
    }
}
