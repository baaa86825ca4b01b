package dev.fathom.archfixture.learn;

import java.net.http.HttpClient;

/** Breaks a rule: only the server knows HTTP. */
public final class LearnThatSpeaksHttp {
    HttpClient client = HttpClient.newHttpClient();
}
