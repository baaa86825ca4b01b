package dev.fathom.archfixture.langchain4j;

import dev.fathom.archfixture.serve.ServeThatKnowsLearning;

/** Breaks a rule: a model in the same process needs no server. */
public final class LangChain4jThatKnowsTheServer {
    ServeThatKnowsLearning server = new ServeThatKnowsLearning();
}
