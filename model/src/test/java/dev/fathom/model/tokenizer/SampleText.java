package dev.fathom.model.tokenizer;

import java.util.List;
import java.util.SplittableRandom;

/** Text that is hard to tokenize: many scripts, odd spaces, broken-off special tokens, characters of every kind. */
final class SampleText {
    private static final List<String> PIECES = List.of(
            "the",
            "The",
            "THE",
            " and",
            " of",
            "tokenization",
            "internationalization",
            "don't",
            "DON'T",
            "we'll",
            "WE'LL",
            "I'm",
            "you've",
            "they'Re",
            "it'\u017f",
            "he'd",
            "'s",
            "''",
            "'",
            " '",
            "\u2019s",
            "rock'n'roll",
            "0",
            "7",
            "42",
            "123",
            "1234",
            "12345678901234567890",
            "3.14",
            "1,000,000",
            "\u0663\u0664\u0665",
            "\u00bd",
            "\u2167",
            " ",
            "  ",
            "   ",
            "    ",
            "\t",
            "\t\t",
            "\n",
            "\n\n",
            "\r\n",
            "\r\n\r\n",
            " \n",
            "\n ",
            " \t \n",
            "\u00a0",
            "\u3000",
            "\u2003",
            "\u0085",
            "\u2028",
            "\u000b",
            "\f",
            "\u1680",
            ".",
            ",",
            "!",
            "?!",
            "...",
            "------",
            "=======",
            "(",
            ")",
            "[]",
            "{}",
            "/*",
            "*/",
            "//",
            "#include",
            "<|",
            "|>",
            "$",
            "\u20ac",
            "\u00a3",
            "+",
            "\u00b1",
            "\u2211",
            "^",
            "`",
            "```python\n",
            "<b>",
            "</b>",
            "&amp;",
            "@user",
            "_a_b_c",
            "\\n",
            "def f(x):\n    return x",
            "for (int i = 0; i < n; i++) {\n\t\tsum += a[i];\n\t}\n",
            "x_1^2",
            "\\frac{1}{2}",
            "https://example.org/a?b=c&d=%20",
            "a@b.org",
            "2026-11-22T13:15:00Z",
            "\u00c4pfel",
            "na\u00efve",
            "nai\u0308ve",
            "Stra\u00dfe",
            "gar\u00e7on",
            "\u0153uvre",
            "a\u0301\u0323",
            "a\u0323\u0301",
            "C\u1eeda Vi\u1ec7t",
            "ti\u1ebfng Vi\u00ea\u0323t",
            "za\u017c\u00f3\u0142\u0107 g\u0119\u015bl\u0105",
            "\u0130stanbul",
            "\u043d\u0435\u0449\u043e \u043d\u0430 \u0411\u044a\u043b\u0433\u0430\u0440\u0441\u043a\u0438",
            "\u041f\u0440\u0438\u0432\u0435\u0442",
            "\u0457\u0436\u0430\u043a",
            "\u0393\u03b5\u03b9\u03ac \u03c3\u03bf\u03c5",
            "\u0645\u0631\u062d\u0628\u0627",
            "\u0645\u064f\u062d\u064e\u0645\u0651\u064e\u062f",
            "\u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd",
            "\u0928\u092e\u0938\u094d\u0924\u0947",
            "\u09ac\u09be\u0982\u09b2\u09be",
            "\u0ba4\u0bae\u0bbf\u0bb4\u0bcd",
            "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35",
            "\u1780\u17b6\u1793\u17cb\u178f\u17c2\u1796\u17b7\u179f\u17c1\u179f",
            "\u10d2\u10d0\u10db\u10d0\u10e0\u10ef\u10dd\u10d1\u10d0",
            "\u1230\u120b\u121d",
            "\u6211\u60f3\u5728apple\u5de5\u4f5c1314151\u5929\uff5e",
            "\u4f60\u597d\uff0c\u4e16\u754c\uff01",
            "\u6771\u4eac\u90fd",
            "\u3053\u3093\u306b\u3061\u306f",
            "\u30ab\u30bf\u30ab\u30ca\u30fc",
            "\u30cf\u309a",
            "\uff76\uff9e",
            "\uc548\ub155\ud558\uc138\uc694",
            "\u1112\u1161\u11ab",
            "\ud840\udc0b\u597d",
            "\u9fff\u4dbf",
            "\ud83d\ude80",
            "\ud83d\ude36\u200d\ud83c\udf2b\ufe0f",
            "\ud83d\udc68\u200d\ud83d\udc69\u200d\ud83d\udc67",
            "\ud83c\udde9\ud83c\uddea",
            "\u2705",
            "\ud83e\udd99.cpp",
            "\ud835\udd31\ud835\udd22\ud835\udd35\ud835\udd31",
            "\ufb01",
            "\u200b",
            "\u200d",
            "\ufeff",
            "\u00ad",
            "\u0000",
            "\u0001",
            "\u007f",
            "\ue000",
            "\ufffd",
            "\uffff",
            "\udbff\udfff");

    private SampleText() {}

    /** A text of some pieces, one after another. */
    static String random(SplittableRandom random, List<String> special) {
        StringBuilder text = new StringBuilder();
        int pieces = random.nextInt(1, random.nextInt(50) == 0 ? 400 : 24);
        while (pieces-- > 0) {
            switch (random.nextInt(12)) {
                case 0 -> text.appendCodePoint(anyCodePoint(random));
                case 1 -> text.append((char) random.nextInt(0x20, 0x7f));
                case 2 -> {
                    String token = special.isEmpty() ? "<think>" : special.get(random.nextInt(special.size()));
                    text.append(token, 0, random.nextBoolean() ? token.length() : random.nextInt(token.length()));
                }
                case 3 -> text.append(PIECES.get(random.nextInt(PIECES.size())).repeat(random.nextInt(1, 12)));
                case 4 -> text.append(' ').append(PIECES.get(random.nextInt(PIECES.size())));
                default -> text.append(PIECES.get(random.nextInt(PIECES.size())));
            }
        }
        // A piece cut in the middle of a surrogate pair would be no text.
        return text.toString();
    }

    /** Half of them from the basic plane; no surrogates. */
    static int anyCodePoint(SplittableRandom random) {
        while (true) {
            int codePoint = random.nextBoolean() ? random.nextInt(0x10000) : random.nextInt(0x32000);
            if (codePoint < 0xd800 || codePoint > 0xdfff) {
                return codePoint;
            }
        }
    }

    /** A text with everything in it, to learn merges from. */
    static String corpus() {
        SplittableRandom random = new SplittableRandom(1);
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < 3000; i++) {
            String piece = PIECES.get(random.nextInt(PIECES.size()));
            text.append(random.nextInt(3) == 0 ? " " : "").append(piece);
        }
        return text.toString();
    }
}
