import Formatting
import Foundation
import Testing

/// The version is declared by `Release.version`. Files that cannot read it from there name the same one.
struct ReleaseTests {
    private func text(_ path: String) throws -> String {
        let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        return try String(contentsOf: repository.appending(path: path), encoding: .utf8)
    }

    @Test func newestEntryOfTheChangelogIsOfThisVersion() throws {
        let entry = try #require(try text("CHANGELOG.md").split(separator: "\n").first { $0.hasPrefix("## ") })
        #expect(entry.hasPrefix("## [\(Release.version)] - "))
    }

    @Test func pythonClientHasThisVersion() throws {
        #expect(try text("clients/python/pyproject.toml").contains("\nversion = \"\(Release.version)\"\n"))
    }
}
