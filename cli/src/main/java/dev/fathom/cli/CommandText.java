package dev.fathom.cli;

import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;

/** Commands as text that a shell reads back. */
final class CommandText {
    private CommandText() {}

    /** The command line as it was given, without the place of its results: repeating it makes the same run in a new directory. */
    static String repeating(CommandSpec command) {
        List<String> words = new ArrayList<>(List.of("./fathom"));
        CommandLine root = command.root().commandLine();
        boolean isValue = false;
        for (String word : root.getParseResult().originalArgs()) {
            if (isValue) {
                isValue = false;
            } else if (word.equals("--out")) {
                isValue = true;
            } else if (!word.startsWith("--out=")) {
                words.add(quoted(word));
            }
        }
        return String.join(" ", words);
    }

    private static String quoted(String word) {
        return word.matches("[A-Za-z0-9_./:,=+-]+") ? word : "'" + word.replace("'", "'\\''") + "'";
    }
}
