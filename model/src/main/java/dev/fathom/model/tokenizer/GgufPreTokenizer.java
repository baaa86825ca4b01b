package dev.fathom.model.tokenizer;

import dev.fathom.model.tokenizer.PreTokenizer.ByteLevel;
import dev.fathom.model.tokenizer.PreTokenizer.Digits;
import dev.fathom.model.tokenizer.PreTokenizer.Sequence;
import dev.fathom.model.tokenizer.PreTokenizer.Split;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * What a name in {@code tokenizer.ggml.pre} stands for: a GGUF file does not hold the rules of its tokenizer, only what
 * llama.cpp calls them. The rules here are those of the {@code tokenizer.json} that the files were converted from.
 *
 * @param names the name that we write, and others for the same
 * @param preTokenizer how text is split
 * @param ignoreMerges whether a word that is a token is taken as it is
 * @param normalizer applied before
 * @param beginsDocument whether a document begins with the bos token when the file does not say
 */
record GgufPreTokenizer(
        List<String> names,
        PreTokenizer preTokenizer,
        boolean ignoreMerges,
        @Nullable Normalizer normalizer,
        boolean beginsDocument) {
    /** Cased letters: those of Latin, Greek, Cyrillic, Armenian, Georgian, Cherokee and a few more. */
    private static final String DEEPSEEK_LLM_LETTERS =
            "\\s?[A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf"
                    + "\u01c4-\u0293\u0295-\u02af\u0370-\u0373\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c"
                    + "\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5"
                    + "\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15"
                    + "\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4"
                    + "\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4"
                    + "\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d"
                    + "\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4"
                    + "\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e"
                    + "\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\ud801\udc00-\ud801\udc4f"
                    + "\ud801\udcb0-\ud801\udcd3\ud801\udcd8-\ud801\udcfb\ud803\udc80-\ud803\udcb2"
                    + "\ud803\udcc0-\ud803\udcf2\ud806\udca0-\ud806\udcdf\ud83a\udd00-\ud83a\udd43]+";

    private static final String DEEPSEEK_LLM_PUNCTUATION =
            "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+";

    /** Chinese, and what else lies between: most scripts of Asia, and Korean. */
    private static final String DEEPSEEK_LLM_ASIAN = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+";

    private static final ByteLevel BYTES = new ByteLevel(false, false);

    private static final List<GgufPreTokenizer> KNOWN = List.of(
            new GgufPreTokenizer(
                    List.of("llama-bpe", "llama3", "llama-v3"), patterns(Scanner.LLAMA3), true, null, true),
            // llama.cpp leaves text as it is; the models were trained on form C.
            new GgufPreTokenizer(
                    List.of("qwen2", "deepseek-r1-qwen"), patterns(Scanner.QWEN2), false, new Normalizer.Nfc(), false),
            new GgufPreTokenizer(
                    List.of("deepseek-v3"),
                    patterns(Scanner.DEEPSEEK3_NUMBERS, Scanner.DEEPSEEK3_HAN, Scanner.DEEPSEEK3_WORDS),
                    false,
                    null,
                    false),
            new GgufPreTokenizer(
                    List.of("deepseek-llm"),
                    digits("[\r\n]", DEEPSEEK_LLM_LETTERS, DEEPSEEK_LLM_PUNCTUATION, "\\s+$", DEEPSEEK_LLM_ASIAN),
                    false,
                    null,
                    false),
            new GgufPreTokenizer(
                    List.of("deepseek-coder"),
                    digits("[\r\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", DEEPSEEK_LLM_ASIAN),
                    false,
                    null,
                    false),
            new GgufPreTokenizer(List.of("gpt-2"), new ByteLevel(false, true), false, null, false),
            new GgufPreTokenizer(
                    List.of("default"),
                    patterns("[\\p{P}\\$\\+<=>\\^~\\|]+", Scanner.GPT2, "\\p{N}+", "[0-9][0-9][0-9]"),
                    false,
                    null,
                    false));

    /**
     * The rules of a name, those of {@code default} where a file gives none.
     *
     * @throws TokenizerException for an unknown name, with the list of known ones
     */
    static GgufPreTokenizer find(@Nullable String name) {
        String wanted = name == null ? "default" : name;
        return KNOWN.stream()
                .filter(known -> known.names.contains(wanted))
                .findFirst()
                .orElseThrow(() -> new TokenizerException("tokenizer.ggml.pre: found \"" + name + "\", expected one of "
                        + KNOWN.stream().flatMap(known -> known.names.stream()).toList()));
    }

    /** The name of rules, if they have one. */
    static Optional<GgufPreTokenizer> of(PreTokenizer preTokenizer, boolean ignoreMerges) {
        return KNOWN.stream()
                .filter(known -> known.preTokenizer.equals(preTokenizer) && known.ignoreMerges == ignoreMerges)
                .findFirst();
    }

    private static PreTokenizer patterns(String... patterns) {
        return new Sequence(Stream.concat(Arrays.stream(patterns).map(Split::regex), Stream.of(BYTES))
                .toList());
    }

    private static PreTokenizer digits(String... patterns) {
        return new Sequence(Stream.concat(Arrays.stream(patterns).map(Split::regex), Stream.of(new Digits(true), BYTES))
                .toList());
    }
}
