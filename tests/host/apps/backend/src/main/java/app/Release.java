package app;

import java.io.IOException;
import java.util.Properties;

/** What this build is: its version, and the query that proves that the schema is the one it needs. */
public record Release(String version, String healthQuery) {
    static Release load() throws IOException {
        Properties properties = new Properties();
        try (var stream = Release.class.getResourceAsStream("/release.properties")) {
            properties.load(stream);
        }
        return new Release(properties.getProperty("version"), properties.getProperty("health.query"));
    }
}
