import Daemon
import FoundationEssentials
import LimitedLogging
import Testing

@Suite("The journal")
struct CatalogTests {
    @Test("Each kind of event is explained in the catalog, and nothing else is")
    func catalog() throws {
        let path = URL(filePath: #filePath).deletingLastPathComponent().appending(
            path: "../../systemd/kantaibert.catalog"
        ).standardized
        let text = String(decoding: try Data(contentsOf: path), as: UTF8.self)
        var entries: [String: [Substring]] = [:]
        var current = ""
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) where !line.hasPrefix("#") {
            if line.hasPrefix("-- ") {
                current = String(line.dropFirst(3))
                #expect(entries[current] == nil, "\(current) twice")
                entries[current] = []
            } else if !current.isEmpty {
                entries[current, default: []].append(line)
            }
        }
        #expect(Set(entries.keys) == Set(EventKind.allCases.map(\.messageID)))
        for (id, lines) in entries {
            #expect(lines.first?.hasPrefix("Subject: ") == true, "\(id)")
            #expect(lines.dropFirst().first?.hasPrefix("Defined-By: ") == true, "\(id)")
            #expect(lines.dropFirst(3).contains { !$0.isEmpty }, "\(id) says nothing")
            for line in lines { #expect(line.count <= 80, "\(line)") }
        }
    }

    @Test("No more than a line a second about steps")
    func rate() {
        var rate = RateLimiter()
        let start = ContinuousClock.now
        let allowed = (0..<40).filter { rate.allowsLine(now: start.advanced(by: .milliseconds(100 * $0))) }
        #expect(allowed == [0, 10, 20, 30])
    }
}
