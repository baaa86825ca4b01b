package dev.fathom.cli;

import dev.fathom.engine.GemmProvider;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Objects;
import java.util.Properties;
import java.util.ServiceLoader;
import java.util.stream.Collectors;
import picocli.CommandLine.IVersionProvider;

/** What {@code fathom --version} prints: Fathom's own version, as Maven knows it, the JDK it runs on, and what it can compute with. */
final class VersionProvider implements IVersionProvider {
    private static final String RESOURCE = "version.properties";

    @Override
    public String[] getVersion() {
        return new String[] {
            "fathom " + fathomVersion(),
            "java " + Runtime.version() + " (" + System.getProperty("java.vendor") + "), "
                    + System.getProperty("os.name") + " " + System.getProperty("os.arch"),
            "matrix products: vector" + providers()
        };
    }

    /** Who is on the class path. Whether a provider can run here is found out when it is opened, which takes a moment. */
    private static String providers() {
        return ServiceLoader.load(GemmProvider.class).stream()
                .map(provider -> ", " + provider.get().name())
                .collect(Collectors.joining());
    }

    /** Fathom's version, such as {@code 0.1.0}. */
    static String fathomVersion() {
        try (InputStream in = VersionProvider.class.getResourceAsStream(RESOURCE)) {
            Properties properties = new Properties();
            properties.load(Objects.requireNonNull(in, () -> RESOURCE + " is missing beside " + VersionProvider.class));
            return Objects.requireNonNull(properties.getProperty("version"), () -> RESOURCE + " has no version");
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + RESOURCE, e);
        }
    }
}
