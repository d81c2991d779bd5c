package app;

/** Run by `./gradlew test`: the build carries a version and a query. */
public final class ReleaseTest {
    public static void main(String[] arguments) throws Exception {
        Release release = Release.load();
        if (!release.version().matches("\\d+")) {
            throw new AssertionError("not a version: " + release.version());
        }
        if (!release.healthQuery().startsWith("select ")) {
            throw new AssertionError("not a query: " + release.healthQuery());
        }
        System.out.println("ReleaseTest > PASSED");
    }
}
