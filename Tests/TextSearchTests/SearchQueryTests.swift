import Testing
import TextSearch

@Suite struct SearchQueryTests {
    @Test func locatesAnErrorInTheQuery() {
        #expect(throws: SearchError.self) { try SearchQuery("(", syntax: .regularExpressions) }
    }
}
