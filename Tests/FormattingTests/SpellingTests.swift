import Formatting
import Testing

struct SpellingTests {
    @Test(
        arguments: [
            ("corpra", nil), ("stauts", "status"), ("ak", "ask"), ("x", nil), ("", nil), ("generation", "generations"),
        ] as [(String, String?)])
    func findsTheNearestName(name: String, expected: String?) {
        #expect(Spelling.nearest(to: name, in: ["runs", "status", "generations", "ask"]) == expected)
    }
}
