package dev.fathom.infer;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.model.tokenizer.BytePairTrainer;
import dev.fathom.model.tokenizer.SpecialTokens;
import dev.fathom.model.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** From tokens to text where tokens end anywhere: within characters, tags and stop texts. */
class TextStreamTest {
    /** A vocabulary of bytes, in which a character takes up to four tokens and a tag eight. */
    private static final Tokenizer BYTES = new BytePairTrainer(256, SpecialTokens.NONE).train();

    static List<Arguments> texts() {
        String thought = "Größe 数 🚀 <b> </thin";
        List<Arguments> cases = new ArrayList<>();
        for (ReasoningFormat format : ReasoningFormat.values()) {
            String body = thought + "</think>";
            String begin = format == ReasoningFormat.OPEN ? "" : "<think>\n";
            boolean apart = format != ReasoningFormat.NONE;
            boolean tags = format == ReasoningFormat.ANSWER_TAGS;
            String answer = "Zwölf 🚀 <answer> 十二 </ans ";
            String written = tags ? "<answer>" + answer + "</answer>\n" : "\n\n" + answer;
            cases.add(Arguments.of(
                    format,
                    begin + body + written,
                    List.of(),
                    apart ? thought : "",
                    apart ? answer : begin + body + written,
                    null));
            // A stop text ends the answer, the earliest one if there are several; one that is not finished does not.
            String before = apart ? "" : begin + body + (tags ? "<answer>" : "\n\n");
            cases.add(Arguments.of(
                    format,
                    begin + body + written,
                    List.of("十三", "十二 <", "🚀 <answer> 十", "二"),
                    apart ? thought : "",
                    before + "Zwölf ",
                    "🚀 <answer> 十"));
        }
        cases.add(Arguments.of(ReasoningFormat.NONE, "aab aaab", List.of("aaa", "aab aaac"), "", "aab ", "aaa"));
        cases.add(Arguments.of(ReasoningFormat.NONE, "abcab", List.of("bca", "abcd"), "", "a", "bca"));
        cases.add(Arguments.of(ReasoningFormat.NONE, "end", List.of("ending"), "", "end", null));
        cases.add(Arguments.of(ReasoningFormat.OPEN, "stop</think>stop it", List.of("stop"), "stop", "", "stop"));
        cases.add(Arguments.of(ReasoningFormat.ANSWER_TAGS, "<think>x</think>12", List.of(), "x", "12", null));
        cases.add(
                Arguments.of(ReasoningFormat.ANSWER_TAGS, "<answer>12</answer>3", List.of(), "", "12</answer>3", null));
        cases.add(Arguments.of(ReasoningFormat.ANSWER_TAGS, "<answ", List.of(), "", "<answ", null));
        cases.add(Arguments.of(ReasoningFormat.ANSWER_TAGS, "<answer>1</ans", List.of(), "", "1</ans", null));
        return cases;
    }

    @ParameterizedTest
    @MethodSource("texts")
    void whatIsGivenOutIsNeverTakenBack(
            ReasoningFormat format,
            String text,
            List<String> stops,
            String thinking,
            String answer,
            @Nullable String stop) {
        TextStream stream = new TextStream(BYTES, new BitSet(), format, stops);
        StringBuilder thought = new StringBuilder();
        StringBuilder said = new StringBuilder();
        for (int id : BYTES.encode(text)) {
            TextStream.Text piece = stream.add(id);
            thought.append(piece.thinking());
            said.append(piece.answer());
            assertThat(thinking).startsWith(thought);
            assertThat(answer).startsWith(said);
            if (stream.stop() != null) {
                break;
            }
        }
        TextStream.Text last = stream.finish();
        assertThat(thought + last.thinking()).isEqualTo(thinking);
        assertThat(said + last.answer()).isEqualTo(answer);
        assertThat(stream.stop()).isEqualTo(stop);
    }

    @Test
    void whatIsCutOffIsHalfACharacterAtMost() {
        int[] ids = BYTES.encode("ab🚀");
        TextStream stream = new TextStream(BYTES, new BitSet(), ReasoningFormat.NONE, List.of());
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < ids.length - 1; i++) {
            text.append(stream.add(ids[i]).answer());
        }
        assertThat(text.toString()).isEqualTo("ab");
        assertThat(stream.finish().answer()).isEqualTo("\ufffd");
    }

    @Test
    void tokensThatSteerAreNoText() {
        Tokenizer tokenizer = EngineFixture.TOKENIZER;
        TextStream stream = new TextStream(
                tokenizer, TokenRoles.of(tokenizer, List.of()).hidden(), ReasoningFormat.TAGGED, List.of());
        StringBuilder text = new StringBuilder();
        for (int id : tokenizer.encode("<think>a</think>b<bos>c<eos>")) {
            text.append(stream.add(id).answer());
        }
        assertThat(text.toString()).isEqualTo("bc");
    }
}
