import Foundation
import Testing
import WebClient

/// Downloads of a generation.
struct ExportTests {
    /// Lists and unpacks the archive with tar(1).
    @Test func archiveIsAModelDirectory() async throws {
        try await WebUnderTest.run { web in
            let answer = try await web.request(
                "GET", "/api/export?model=assistant&generation=7", headers: WebUnderTest.authorized)
            #expect(answer.status == 200)
            #expect(answer.headers["content-type"] == "application/x-tar")
            #expect(answer.headers["content-disposition"] == #"attachment; filename="assistant-7.tar""#)
            #expect(answer.headers["content-length"] == "\(answer.bytes.count)" && answer.bytes.count % 512 == 0)
            let path = "\(web.folder)/archive.tar"
            try Data(answer.bytes).write(to: URL(filePath: path))
            let tar = Process()
            tar.executableURL = URL(filePath: "/bin/tar")
            tar.arguments = ["-xf", path, "-C", web.folder]
            try tar.run()
            tar.waitUntilExit()
            #expect(tar.terminationStatus == 0)
            for (name, bytes) in CannedExport.files {
                let found = try Data(contentsOf: URL(filePath: "\(web.folder)/assistant-7/\(name)"))
                #expect(Array(found) == bytes, "\(name)")
            }
        }
    }

    @Test func runsAndTextsAreDescribed() async throws {
        try await WebUnderTest.run { web in
            let run = try await web.get("/api/run?run=assistant-1").json()
            #expect(run["text"] as? String == "text: <b>" && run["corpora_count"] as? Int == 1)
            #expect(try await web.get("/api/run").error().code == "missing")
            let sha256 = String(repeating: "ab", count: 32)
            #expect(try await web.get("/api/corpus?sha256=\(sha256)").status == 401)
            let text = try await web.request("GET", "/api/corpus?sha256=\(sha256)", headers: WebUnderTest.authorized)
            #expect(try text.json()["text"] as? String == "a <b>\u{1B}")
        }
    }
}
