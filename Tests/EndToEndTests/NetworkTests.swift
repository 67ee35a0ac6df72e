import TestSupport
import Testing

/// `kantaibert-web` on an address that other machines can reach.
@Suite(
    "The web server on a network", .enabled(if: BuiltProgram.isBuilt("kantaibert-web"), "kantaibert-web is not built"))
struct NetworkTests {
    @Test func refusesAnOpenAddress() throws {
        for address in ["0.0.0.0:0", "[::]:0"] {
            let result = try Programs.run("kantaibert-web", ["--listen", address, "--socket", "/nowhere/socket"])
            #expect(result.status == 64, "\(result)")
            #expect(result.error.contains("--api-keys, --tls-cert and --tls-key are required"), "\(result.error)")
            #expect(result.error.contains("--insecure"))
        }
        let half = try Programs.run(
            "kantaibert-web", ["--tls-cert", "/nowhere/cert.pem", "--socket", "/nowhere/socket"])
        #expect(half.status == 64 && half.error.contains("belong together"), "\(half)")
        let missing = try Programs.run(
            "kantaibert-web", ["--api-keys", "/nowhere/keys", "--socket", "/nowhere/socket"])
        #expect(missing.status == 66 && missing.error.contains("/nowhere/keys"), "\(missing)")
    }

    @Test func printsANewKeyOnce() throws {
        let result = try Programs.run("kantaibert-web", ["--new-key", "reader"])
        #expect(result.status == 0)
        #expect(result.output.hasPrefix("reader sha256:") && !result.output.contains("kb-"), "\(result.output)")
        #expect(result.error.contains("kb-"), "\(result.error)")
        #expect(try Programs.run("kantaibert-web", ["--new-key", "a/b"]).status == 64)
    }
}
