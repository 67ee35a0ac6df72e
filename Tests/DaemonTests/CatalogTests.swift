import Daemon
import Events
import FoundationEssentials
import Testing

@Suite("Message catalog")
struct CatalogTests {
    @Test("The committed catalog is up to date")
    func committedFile() throws {
        let path = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../\(EventCatalog.path)")
            .standardized
        let committed = String(decoding: try Data(contentsOf: path), as: UTF8.self)
        #expect(committed == EventCatalog.text, "run `make generate`")
    }

    @Test("Every kind of event has a complete catalog entry")
    func entries() {
        var entries: [String: [Substring]] = [:]
        var current = ""
        for line in EventCatalog.text.split(separator: "\n", omittingEmptySubsequences: false)
        where !line.hasPrefix("#") {
            if line.hasPrefix("-- ") {
                current = String(line.dropFirst(3))
                #expect(entries[current] == nil, "\(current) twice")
                entries[current] = []
            } else if !current.isEmpty {
                entries[current, default: []].append(line)
            }
        }
        #expect(Set(entries.keys) == Set(EventKind.allCases.map(\.messageID)))
        #expect(entries.count == EventKind.allCases.count)
        for (id, lines) in entries {
            #expect(id.utf8.count == 32 && id.allSatisfy(\.isHexDigit), "\(id)")
            #expect(lines.first?.hasPrefix("Subject: ") == true, "\(id)")
            #expect(lines.dropFirst().first?.hasPrefix("Defined-By: ") == true, "\(id)")
            #expect(lines.dropFirst(3).contains { !$0.isEmpty }, "\(id) has no text")
            for line in lines { #expect(line.count <= 80, "\(line)") }
        }
    }
}
