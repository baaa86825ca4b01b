package dev.fathom.cli;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Objects;
import java.util.Properties;
import picocli.CommandLine.IVersionProvider;

/** What {@code fathom --version} prints: Fathom's own version, as Maven knows it, and the JDK it runs on. */
final class VersionProvider implements IVersionProvider {
    private static final String RESOURCE = "version.properties";

    @Override
    public String[] getVersion() {
        return new String[] {
            "fathom " + fathomVersion(),
            "java " + Runtime.version() + " (" + System.getProperty("java.vendor") + "), "
                    + System.getProperty("os.name") + " " + System.getProperty("os.arch")
        };
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
