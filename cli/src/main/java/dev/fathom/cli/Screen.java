package dev.fathom.cli;

import java.io.PrintWriter;

/**
 * What a command writes: lines for the user on standard output, and on a terminal one line of progress on standard error that stays below
 * them. The progress bar is drawn by a thread of its own, so that everything here is synchronized.
 */
final class Screen {
    private static final String ERASE_LINE = "\r\u001b[K";
    private static final String DIM = "\u001b[2m";
    private static final String BOLD = "\u001b[1m";
    private static final String PLAIN = "\u001b[0m";

    private final PrintWriter out;
    private final PrintWriter err;
    private final Terminals terminals;
    private final boolean outIsTerminal;
    private String progress = "";

    Screen(PrintWriter out, PrintWriter err, Terminals terminals) {
        this(out, err, terminals, terminals.out());
    }

    private Screen(PrintWriter out, PrintWriter err, Terminals terminals, boolean outIsTerminal) {
        this.out = out;
        this.err = err;
        this.terminals = terminals;
        this.outIsTerminal = outIsTerminal;
    }

    /** The same with everything on standard error, where a program reads standard output. */
    Screen onStandardError() {
        return new Screen(err, err, terminals, terminals.err());
    }

    /** Standard output, or what stands in for it. */
    PrintWriter out() {
        return out;
    }

    Terminals terminals() {
        return terminals;
    }

    /** Whether text is dimmed and bold, or plain. */
    boolean isStyled() {
        return outIsTerminal && terminals.color();
    }

    boolean showsProgress() {
        return terminals.err();
    }

    String dim(String text) {
        return isStyled() ? DIM + text + PLAIN : text;
    }

    String bold(String text) {
        return isStyled() ? BOLD + text + PLAIN : text;
    }

    synchronized void line(String text) {
        erase();
        out.println(text);
        out.flush();
        draw();
    }

    /** A line beside the output: on standard error. */
    synchronized void note(String text) {
        erase();
        err.println(text);
        err.flush();
        draw();
    }

    /** Text without a line end, shown at once. */
    synchronized void text(String text) {
        out.print(text);
        out.flush();
    }

    /** Replaces the line of progress; an empty text takes it away. */
    synchronized void progress(String text) {
        erase();
        progress = text;
        draw();
    }

    private void erase() {
        if (!progress.isEmpty()) {
            err.print(ERASE_LINE);
            err.flush();
        }
    }

    private void draw() {
        if (!progress.isEmpty()) {
            err.print(progress);
            err.flush();
        }
    }
}
