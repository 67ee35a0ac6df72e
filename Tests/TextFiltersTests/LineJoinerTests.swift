import Testing
import TextFilters

private func joined(_ text: String, width: Int = 30, words: [String] = []) -> String {
    var hyphenated = HyphenatedWords()
    let lines = Array(text.utf8).splitIntoLines()
    for (line, next) in zip(lines, lines.dropFirst()) { hyphenated.collect(line, next) }
    for word in words { hyphenated.look(in: Array(word.utf8)) }
    var bytes = Array(text.utf8)
    LineJoiner(width: width, words: hyphenated).join(&bytes)
    return String(decoding: bytes, as: UTF8.self)
}

private let wrapped = "the first line of a paragraph\nthat was wrapped and is longer\nthan one line"

@Test func joinsWrappedLines() {
    #expect(joined(wrapped) == wrapped.replacing("\n", with: " "))
    #expect(joined(wrapped.replacing("\n", with: "\u{2028}")) == wrapped.replacing("\n", with: " "))
    // The beginning of a piece of a long paragraph.
    #expect(joined("\n" + wrapped) == " " + wrapped.replacing("\n", with: " "))
    #expect(joined("  " + wrapped.replacing("\n", with: " \n")) == "  " + wrapped.replacing("\n", with: " "))
    #expect(joined("one line") == "one line")
}

@Test(arguments: [
    "Tyger Tyger, burning\nIn the forests\nWhat immortal\nhand or eye", "- eggs and butter and bread\n- milk",
    "a heading\nof two lines",
    "name      age      city  town\nBob        12      Rome  Oslo\nEve        13      Oslo  Rome",
    "",
])
func keepsOtherLines(text: String) {
    #expect(joined(text) == text)
}

@Test func keepsListItemsAndIndentedParagraphsApart() {
    #expect(
        joined("- the first item of a list is\n  longer than one line of text\n- the second one")
            == "- the first item of a list is longer than one line of text\n- the second one")
    #expect(
        joined(
            "the first line of a paragraph\nthat was wrapped and is long\nends.\n    The next paragraph, which\nis wrapped too."
        )
            == "the first line of a paragraph that was wrapped and is long ends.\n    The next paragraph, which is wrapped too."
    )
}

@Test func removesHyphensOfKnownWordsOnly() {
    let text = "it is a matter of the under-\nstanding and of a pre-\neminent concept of the mind"
    #expect(
        joined(text, width: 28, words: ["the Understanding, and"])
            == "it is a matter of the understanding and of a pre-eminent concept of the mind")
    #expect(joined(text, width: 28).contains("the under-standing and of a pre-eminent"))
    #expect(joined("it is a matter of the under\u{AD}\nstanding", width: 28) == "it is a matter of the understanding")
    #expect(joined("it is a matter of the senses--\nof space", width: 28) == "it is a matter of the senses--of space")
}

@Test func joinsChineseWithoutSpaces() {
    #expect(joined("人类理性在其知识的某个门类里\n有特殊的命运，就是它为一些\n问题", width: 14) == "人类理性在其知识的某个门类里有特殊的命运，就是它为一些问题")
}
