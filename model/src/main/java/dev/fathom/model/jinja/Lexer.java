package dev.fathom.model.jinja;

import java.util.ArrayList;
import java.util.List;

/**
 * Text to tokens, and the rules of white space: {@code -} takes all of it on its side; a block or comment takes the spaces
 * before it if it begins a line, and the line end behind it; one line end at the end of the template goes away.
 */
final class Lexer {
    private static final List<String> OPERATORS = List.of(
            "**", "//", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "<", ">", "=", ".", ",", ":", "|", "(",
            ")", "[", "]", "{", "}");

    private final String source;
    private final List<Token> tokens = new ArrayList<>();
    private int at;
    private int line = 1;

    Lexer(String source) {
        String text = source.replace("\r\n", "\n").replace('\r', '\n');
        this.source = text.endsWith("\n") ? text.substring(0, text.length() - 1) : text;
    }

    List<Token> tokens() {
        boolean lineStart = true;
        while (at < source.length()) {
            int tag = nextTag(at);
            char kind = tag < 0 ? ' ' : source.charAt(tag + 1);
            int end = tag < 0 ? source.length() : tag;
            String data = source.substring(at, end);
            advance(end);
            char sign = tag < 0 || tag + 2 >= source.length() ? ' ' : source.charAt(tag + 2);
            if (sign == '-') {
                data = data.stripTrailing();
            } else if (sign != '+' && (kind == '%' || kind == '#')) {
                data = withoutIndentation(data, lineStart);
            }
            if (!data.isEmpty()) {
                tokens.add(new Token(Token.Type.DATA, data, line));
            }
            if (tag < 0) {
                break;
            }
            advance(at + 2);
            if (kind == '#') {
                lineStart = comment();
            } else {
                if (sign == '-' || sign == '+') {
                    advance(at + 1);
                }
                lineStart = tag(kind == '%');
            }
        }
        tokens.add(new Token(Token.Type.END, "", line));
        return tokens;
    }

    private int nextTag(int from) {
        for (int i = source.indexOf('{', from); i >= 0 && i + 1 < source.length(); i = source.indexOf('{', i + 1)) {
            char next = source.charAt(i + 1);
            if (next == '{' || next == '%' || next == '#') {
                return i;
            }
        }
        return -1;
    }

    private static String withoutIndentation(String data, boolean lineStart) {
        int start = data.lastIndexOf('\n') + 1;
        return (start > 0 || lineStart) && data.substring(start).isBlank() ? data.substring(0, start) : data;
    }

    private boolean comment() {
        int end = source.indexOf("#}", at);
        if (end < 0) {
            throw error("{# without #}");
        }
        boolean strip = end > at && source.charAt(end - 1) == '-';
        advance(end + 2);
        return afterBlock(strip, false);
    }

    /** Moves behind the white space that the end of a block takes; true if the next text begins a line. */
    private boolean afterBlock(boolean strip, boolean keep) {
        if (strip) {
            skipSpaces();
            return false;
        }
        if (!keep && at < source.length() && source.charAt(at) == '\n') {
            advance(at + 1);
            return true;
        }
        return false;
    }

    /** The tokens of {@code {{ … }}} or {@code {% … %}}; true if the text behind begins a line. */
    private boolean tag(boolean block) {
        String close = block ? "%}" : "}}";
        int opened = line;
        tokens.add(new Token(block ? Token.Type.BLOCK_BEGIN : Token.Type.VARIABLE_BEGIN, block ? "{%" : "{{", line));
        int brackets = 0;
        while (true) {
            skipSpaces();
            if (at >= source.length()) {
                line = opened;
                throw error((block ? "{%" : "{{") + " without " + close);
            }
            char c = source.charAt(at);
            boolean sign = (c == '-' || (c == '+' && block)) && source.startsWith(close, at + 1);
            if (brackets == 0 && (sign || source.startsWith(close, at))) {
                tokens.add(new Token(block ? Token.Type.BLOCK_END : Token.Type.VARIABLE_END, close, line));
                advance(at + close.length() + (sign ? 1 : 0));
                return sign && c == '-' || block ? afterBlock(sign && c == '-', sign) : false;
            }
            if (c == '\'' || c == '"') {
                string(c);
            } else if (isDigit(c)) {
                number();
            } else if (Character.isLetter(c) || c == '_') {
                int end = at;
                while (end < source.length()
                        && (Character.isLetterOrDigit(source.charAt(end)) || source.charAt(end) == '_')) {
                    end++;
                }
                add(Token.Type.NAME, end);
            } else {
                String operator = OPERATORS.stream()
                        .filter(candidate -> source.startsWith(candidate, at))
                        .findFirst()
                        .orElseThrow(() -> error("unexpected \"" + c + "\""));
                if ("([{".contains(operator)) {
                    brackets++;
                } else if (")]}".contains(operator)) {
                    brackets--;
                }
                add(Token.Type.OPERATOR, at + operator.length());
            }
        }
    }

    /** Digits, with {@code _} between them, a fraction and an exponent if they like. */
    private void number() {
        int whole = digits(at);
        int end = whole;
        if (end + 1 < source.length() && source.charAt(end) == '.' && isDigit(source.charAt(end + 1))) {
            end = digits(end + 1);
        }
        if (end < source.length() && (source.charAt(end) == 'e' || source.charAt(end) == 'E')) {
            boolean sign = source.startsWith("+", end + 1) || source.startsWith("-", end + 1);
            int exponent = end + (sign ? 2 : 1);
            end = digits(exponent) > exponent ? digits(exponent) : end;
        }
        add(end > whole ? Token.Type.FLOAT : Token.Type.INTEGER, end);
    }

    private int digits(int from) {
        int end = from;
        while (end < source.length() && (isDigit(source.charAt(end)) || (source.charAt(end) == '_' && end > from))) {
            end++;
        }
        return end;
    }

    private void string(char quote) {
        StringBuilder value = new StringBuilder();
        int i = at + 1;
        while (true) {
            if (i >= source.length()) {
                throw error("a string without its closing " + quote);
            }
            char c = source.charAt(i++);
            if (c == quote) {
                break;
            }
            if (c != '\\' || i >= source.length()) {
                value.append(c);
                continue;
            }
            char escaped = source.charAt(i++);
            switch (escaped) {
                case 'n' -> value.append('\n');
                case 't' -> value.append('\t');
                case 'r' -> value.append('\r');
                case '\\', '\'', '"' -> value.append(escaped);
                case '\n' -> {} // a backslash at the end of a line joins it with the next
                case 'x' -> i = codePoint(value, i, 2);
                case 'u' -> i = codePoint(value, i, 4);
                case 'U' -> i = codePoint(value, i, 8);
                default -> value.append('\\').append(escaped);
            }
        }
        tokens.add(new Token(Token.Type.STRING, value.toString(), line));
        advance(i);
    }

    private int codePoint(StringBuilder value, int from, int digits) {
        try {
            value.appendCodePoint(Integer.parseInt(source, from, from + digits, 16));
        } catch (IllegalArgumentException | IndexOutOfBoundsException e) {
            throw error("an escape without its " + digits + " hexadecimal digits");
        }
        return from + digits;
    }

    private void add(Token.Type type, int end) {
        tokens.add(new Token(type, source.substring(at, end), line));
        advance(end);
    }

    private void skipSpaces() {
        while (at < source.length() && Character.isWhitespace(source.charAt(at))) {
            advance(at + 1);
        }
    }

    private void advance(int to) {
        for (int i = at; i < to; i++) {
            line += source.charAt(i) == '\n' ? 1 : 0;
        }
        at = to;
    }

    private static boolean isDigit(char c) {
        return c >= '0' && c <= '9';
    }

    private TemplateException error(String message) {
        return new TemplateException("line " + line + ": " + message);
    }
}
