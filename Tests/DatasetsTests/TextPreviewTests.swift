import Datasets
import Jobs
import Testing
import TextFilters

@Test func previewShowsUnitsAsTheyAreLearned() throws {
    let folder = try TemporaryFolder()
    let lines =
        (0..<400).map { "A line with the number \($0)" } + ["\u{1B}[1mbold\u{1B}[0m", "A line with the number 1"]
    let path = try folder.write("text", (lines.joined(separator: "\n") + "\n").utf8)
    let filters: [TextFilter] = [.stripANSI, .minWords(2), .dedupeLines]
    let preview = try TextPreview(path: path, unit: .auto, filters: filters, heldOut: 0.25, examples: 3)
    #expect(preview.samples == .lines && !preview.joinsLines && !preview.reason.isEmpty)
    #expect(preview.units == 402 && preview.unitsLeft == 400)
    #expect(preview.filters.map(\.unitsAfter) == [402, 401, 400])
    #expect(preview.filters[0].bytesBefore - preview.filters[0].bytesAfter == 8)
    #expect(preview.bytesLeft == preview.filters[2].bytesAfter)
    #expect(preview.examples.map(\.text) == Array(lines.prefix(3)))
    #expect(preview.heldOutShare > 0.1 && preview.heldOutShare < 0.5)
    #expect(try TextPreview(path: path, unit: .auto, filters: [], heldOut: 0.25, examples: 0).examples.isEmpty)
}

@Test func previewIsBounded() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("text", String(repeating: "words without an end ", count: 1 << 14).utf8)
    let preview = try TextPreview(path: path, unit: .lines, filters: [], heldOut: 0.1, examples: .max)
    #expect(preview.unitsLeft > 100 && preview.examples.count <= TextPreview.mostExamples)
    #expect(preview.examples[0].isShortened && preview.examples[0].text.count == TextPreview.longestExample)
    #expect(!preview.examples[0].isContinuation && preview.examples[1].isContinuation)
}

@Test func previewOfBlankTextIsEmpty() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("text", "\n \n".utf8)
    let preview = try TextPreview(path: path, unit: .auto, filters: [.gutenberg], heldOut: 0.1, examples: 9)
    #expect(preview.units == 0 && preview.heldOutShare == 0 && preview.examples.isEmpty)
}

@Test func previewOfTableDoesNotSayThatItsUnitWasSet() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("text", "one\ntwo\n".utf8)
    let preview = try TextPreview(
        path: path, isStructured: true, unit: .auto, filters: [], heldOut: 0.1, examples: 9)
    #expect(preview.samples == .records && preview.reason == "records, one per line" && preview.units == 2)
    #expect(
        try TextPreview(path: path, unit: .records, filters: [], heldOut: 0.1, examples: 9).reason
            == "records, as set by ‘samples’")
}

/// The end marker is further inside than the part that is shown, and is decisive for what is removed before it.
@Test func previewOfBeginningRemovesWhatIsRemovedFromTheWhole() throws {
    let folder = try TemporaryFolder()
    let text = (0..<2000).map { "Line number \($0) of the book" }
    let lines =
        ["license", "*** START OF THE PROJECT GUTENBERG EBOOK X ***"] + text
        + ["*** END OF THE PROJECT GUTENBERG EBOOK X ***", "license"]
    let path = try folder.write("text", (lines.joined(separator: "\n") + "\n").utf8)
    func preview(end: Int) throws -> TextPreview {
        try TextPreview(
            path: path, unit: .lines, filters: [.gutenberg, .dedupeDocuments], heldOut: 0.1, examples: 1, end: end)
    }
    let beginning = try preview(end: 1000)
    #expect(beginning.examples.first?.text == text[0] && beginning.unitsLeft == beginning.units - 2)
    #expect(beginning.bytes > 900 && beginning.bytes < 1100)
    let whole = try preview(end: .max)
    #expect(whole.examples.first?.text == text[0] && whole.unitsLeft == 2000)
}
