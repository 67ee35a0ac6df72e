import Testing
import TextSearch

@Suite struct SearchQueryTests {
    private static func error(_ text: String, _ syntax: SearchQuery.Syntax = .regularExpressions) -> SearchError? {
        do throws(SearchError) {
            _ = try SearchQuery(text, syntax: syntax)
            return nil
        } catch {
            return error
        }
    }

    @Test(arguments: [
        ("a (b", 2), ("a b)", 3), ("*", 0), ("ab [c", 3), ("a{3,2}", 1), ("a{x}", 1), ("a{1000}", 2), ("\\", 0),
        ("\\q", 0),
        ("[b-a]", 1), ("(?<n>a)", 2), ("^a", 0), ("\\p{Xx}", 0), ("x [a\\", 3), ("", 0), (" \n", 0),
        ("((a{99}){99}){99}", 0), ("(((((((){99}){99}){99}){99}){99}){99})", 0), ("[", 0), ("a|*", 2), ("\\p", 0),
    ])
    func locatesAnErrorInAnExpression(text: String, offset: Int) throws {
        guard case .invalidQuery(let reason, let found) = Self.error(text) else {
            Issue.record("\(text) was accepted")
            return
        }
        #expect(found <= text.unicodeScalars.count && !reason.isEmpty)
        #expect(abs(found - offset) <= 2, "\(text): \(found), \(reason)")
    }

    @Test func boundsTheQuery() {
        #expect(Self.error(String(repeating: "(", count: 4000)) != nil)
        #expect(Self.error(String(repeating: "a", count: 300)) != nil)
        #expect(Self.error(String(repeating: "a ", count: 17), .words) != nil)
        #expect(Self.error(String(repeating: "a ", count: 16), .words) == nil)
        #expect(Self.error(String(repeating: "a", count: 4097), .words) == .textTooLong(bytes: 4097, limit: 4096))
        #expect(Self.error("", .words) != nil)
        #expect(Self.error("a\u{10FFFF}", .words) != nil)
        #expect(Self.error(String(repeating: "a", count: 256), .words) != nil)
    }

    @Test func treatsAnEscapedAsteriskAsText() throws {
        let corpora = try TestCorpora(["2 * 3 is 2 \\ 3 and ab a*b"])
        func count(_ text: String) throws -> Int { try corpora.search.find(SearchQuery(text)).total }
        #expect(try count("2 \\* 3") == 1)
        #expect(try count("2 * 3") == 2)
        #expect(try count("2 \\ 3") == 1)
        #expect(try count("a*b") == 1)
        #expect(try count("a\\*b") == 1)
    }
}
