package dev.fathom.model;

import java.util.Arrays;
import java.util.List;

/** An oracle: a model in scalar double arithmetic that shares nothing with the models under test but the config and the names of the parameters. */
interface ReferenceModel {
    /** Log-probabilities of every token of the vocabulary after each of these, {@code [T][V]}. */
    double[][] logProbs(int[] tokens);

    /** Mean cross-entropy of every token but a sequence's first. */
    default double loss(List<int[]> sequences) {
        double loss = 0;
        int targets = 0;
        for (int[] tokens : sequences) {
            double[][] logProbs = logProbs(Arrays.copyOf(tokens, tokens.length - 1));
            for (int t = 0; t + 1 < tokens.length; t++) {
                loss -= logProbs[t][tokens[t + 1]];
                targets++;
            }
        }
        return loss / targets;
    }
}
