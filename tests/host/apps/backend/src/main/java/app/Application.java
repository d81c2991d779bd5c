package app;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Instant;
import java.util.concurrent.Executors;

/** The service: answers on port 8080 and is healthy only while its database answers the release's own query. */
public final class Application {
    private static final Path LOG = Path.of("logs", "app.log");
    private final Release release;

    private Application(Release release) {
        this.release = release;
    }

    public static void main(String[] arguments) throws IOException {
        new Application(Release.load()).serve(8080);
    }

    private void serve(int port) throws IOException {
        HttpServer server = HttpServer.create(new InetSocketAddress(port), 64);
        server.setExecutor(Executors.newFixedThreadPool(8));
        server.createContext("/health", this::health);
        server.createContext("/api/meetings", this::meetings);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            server.stop(0);
            log("INFO", "release " + release.version() + " stopped");
        }));
        server.start();
        log("INFO", "release " + release.version() + " listens on port " + port);
    }

    private void health(HttpExchange exchange) throws IOException {
        try {
            long rows = count(release.healthQuery());
            answer(exchange, 200, "{\"status\":\"UP\",\"version\":\"" + release.version() + "\",\"rows\":" + rows + "}");
        } catch (SQLException problem) {
            log("FATAL", "health: " + problem.getMessage().lines().findFirst().orElse("no message"));
            answer(exchange, 500, "{\"status\":\"DOWN\",\"version\":\"" + release.version() + "\"}");
        }
    }

    private void meetings(HttpExchange exchange) throws IOException {
        try {
            answer(exchange, 200, "{\"meetings\":" + count("select count(*) from meeting") + "}");
        } catch (SQLException problem) {
            log("ERROR", "meetings: " + problem.getMessage());
            answer(exchange, 503, "{\"error\":\"database\"}");
        }
    }

    private static long count(String query) throws SQLException {
        String url = "jdbc:postgresql://127.0.0.1:5432/cloudwiki?connectTimeout=2&socketTimeout=2";
        try (var connection = DriverManager.getConnection(url, "postgres", "");
                var statement = connection.createStatement();
                var rows = statement.executeQuery(query)) {
            rows.next();
            return rows.getLong(1);
        }
    }

    private static void answer(HttpExchange exchange, int status, String body) throws IOException {
        byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().set("Content-Type", "application/json");
        exchange.sendResponseHeaders(status, bytes.length);
        try (var stream = exchange.getResponseBody()) {
            stream.write(bytes);
        }
        log("INFO", exchange.getRequestMethod() + " " + exchange.getRequestURI() + " " + status);
    }

    private static synchronized void log(String level, String message) {
        try {
            Files.createDirectories(LOG.getParent());
            Files.writeString(LOG, Instant.now() + " " + level + " " + message + "\n",
                    StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        } catch (IOException problem) {
            System.err.println(level + " " + message + " (" + problem + ")");
        }
    }
}
