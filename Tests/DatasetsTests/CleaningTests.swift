import Datasets
import Jobs
import Testing
import TextFilters

private let license = String(repeating: "License of the book.\n\n", count: 4)
private let chapters = (0..<60).map { "Paragraph \($0) of the book.\n\n" }.joined()
private let start = "*** START OF THE PROJECT GUTENBERG EBOOK A LONG\nTITLE ***\n\n"
private let end = "*** END OF THE PROJECT GUTENBERG EBOOK A LONG\nTITLE ***\n\n"

private func read(
    _ text: String, _ filters: [TextFilter], unit: SampleUnit = .paragraphs, seen: SeenTexts = SeenTexts()
) throws -> (texts: [String], counts: SampleCounts) {
    let folder = try TemporaryFolder()
    var reader = try SampleReader(
        path: try folder.write("corpus.txt", text.utf8), unit: unit, filters: filters, seen: seen)
    var texts: [String] = []
    while let sample = try reader.next() { texts.append(sample.text) }
    return (texts, reader.counts)
}

@Test(arguments: [
    start + "|" + end,
    "***START OF THIS PROJECT GUTENBERG EBOOK X***\r\n|*** END OF THIS PROJECT GUTENBERG EBOOK X ***\r\n",
    start + "|*** END OF THE PROJECT GUTENBERG EBOOK X ***\n" + end,
])
func gutenbergLeavesTheTextBetweenItsMarkers(markers: String) throws {
    let sides = markers.split(separator: "|").map(String.init)
    let text = license + sides[0] + chapters + (sides.count == 2 ? sides[1] : "")
    for unit in [SampleUnit.paragraphs, .lines, .auto] {
        let (texts, counts) = try read(text + license, [.lowercase, .gutenberg], unit: unit)
        let isLast = markers.contains("X ***\n***")
        #expect(texts.first == "paragraph 0 of the book." && texts.count == (isLast ? 61 : 60), "\(unit)")
        #expect(counts.filters.map(\.filter) == [.gutenberg, .lowercase])
        #expect(counts.filters[0].unitsBefore == counts.samples && counts.filters[0].unitsAfter == texts.count)
        #expect(counts.filters[1].unitsBefore == texts.count && counts.filteredSamples == counts.samples - texts.count)
        #expect(try read(text + license, [], unit: unit).texts.count > texts.count)
    }
}

@Test(arguments: [
    license + start + chapters,
    license + chapters + end,
    license + "The START OF THE PROJECT GUTENBERG EBOOK X ***\n\n" + chapters + end,
    license + "*** START OF THE PROJECT GUTENBERG EBOOK X\n\nwithout an end ***\n\n" + chapters + end,
    end + chapters + start,
])
func gutenbergKeepsTextWithoutBothMarkers(text: String) throws {
    #expect(try read(text, [.gutenberg]).texts == read(text, []).texts)
}

@Test func gutenbergKeepsASideThatIsLargerThanAFifth() throws {
    let large = chapters + start + license + chapters + end + license
    let (texts, _) = try read(large, [.gutenberg])
    #expect(texts.first == "Paragraph 0 of the book." && texts.last == "Paragraph 59 of the book.")
    #expect(texts.contains("License of the book."))
    // Records are not a book.
    #expect(try read(license + start + chapters + end, [.gutenberg], unit: .records).counts.filteredSamples == 0)
}

@Test func documentsAreDuplicatesOnlyAsAWhole() throws {
    let common = String(repeating: "The same beginning of a long text. ", count: 80)
    let text = [common + "One.", "short", common + "Two.", "short", "SHORT", common + "One."].joined(separator: "\n\n")
    let all = try read(text, [])
    let (texts, counts) = try read(text, [.lowercase, .dedupeDocuments])
    // Without the second ‘short’ and the last text; ‘SHORT’ is another one in the corpus.
    let long = try read(common + "One.", []).texts.count
    #expect(long > 2 && texts.count == all.texts.count - 1 - long)
    #expect(texts.filter { $0 == "short" }.count == 2)
    #expect(counts.duplicateSamples == 1 + long && counts.filteredSamples == 0)
    #expect(counts.duplicateBytes == 5 + (common + "One.").utf8.count)
    // Pieces that two texts have in common are duplicates of each other only for `dedupe_lines`.
    #expect(try read(text, [.dedupeLines]).texts.count < texts.count)
    let seen = SeenTexts()
    _ = try read("short", [.dedupeDocuments], seen: seen)
    #expect(try read(text, [.dedupeDocuments], seen: seen).texts.count == texts.count - 1)
    // It does not share what it has seen with `dedupe_lines`.
    #expect(try read(text, [.dedupeDocuments, .dedupeLines]).texts.contains("short"))
}

private let article =
    "The old bridge leads over a quiet river to the market, where the shops are open from early in the morning until the "
    + "lamps are lit, and where the people of the town meet to talk about the weather and the harvest."
private let otherArticle =
    "Nobody had seen the lighthouse keeper since the storm, but every evening at dusk the light was burning, and the "
    + "ships in the bay found their way."

@Test func nearDuplicatesAreDroppedAfterExactOnes() throws {
    let edited = article.replacing("quiet", with: "QUIET").replacing("harvest", with: "harvests")
    let text = [article, otherArticle, edited, article, "short", otherArticle + " End."].joined(separator: "\n\n")
    let filters: [TextFilter] = [.lowercase, .nearDuplicates(0.8), .dedupeDocuments]
    let (texts, counts) = try read(text, filters)
    #expect(texts == [article.lowercased(), otherArticle.lowercased(), "short"])
    #expect(counts.filters.map(\.filter) == [.dedupeDocuments, .nearDuplicates, .lowercase])
    #expect(counts.filters.map(\.unitsBefore) == [6, 5, 3] && counts.filters.map(\.unitsAfter) == [5, 3, 3])
    #expect(
        counts.filters[1].bytesBefore - counts.filters[1].bytesAfter == edited.utf8.count + otherArticle.utf8.count + 5)
    #expect(counts.duplicateSamples == 3 && counts.filteredSamples == 0)
    // Without the other filter, the exact duplicate is one of them.
    #expect(try read(text, [.nearDuplicates(0.8)]).texts == [article, otherArticle, "short"])
    #expect(try read(text, [.dedupeDocuments]).texts.count == 5)
    // A larger share keeps what differs more.
    #expect(try read(article + "\n\n" + article.prefix(180), [.nearDuplicates(0.95)]).texts.count == 2)
}

@Test func nearDuplicatesAreFoundInAllCorporaOfARun() throws {
    let seen = SeenTexts()
    _ = try read(article, [.nearDuplicates(0.8)], seen: seen)
    #expect(try read(article + "!\n\n" + otherArticle, [.nearDuplicates(0.8)], seen: seen).texts == [otherArticle])
    // Also in one record per line.
    #expect(
        try read("\(article)\n\(otherArticle)\n\(article)!", [.nearDuplicates(0.8)], unit: .records).texts.count == 2)
}

@Test func longTextsAreNearDuplicatesAsAWhole() throws {
    let long = (0..<200).map { "Sentence \($0 &* 7919) of a long text, which is number \($0). " }.joined()
    let edited = "A new beginning. " + long.replacing("number 100", with: "number one hundred") + "A new end."
    let half = String(long.prefix(long.count / 2))
    let all = try read(long, []).texts.count
    #expect(all > 10)
    let (texts, counts) = try read([long, edited, half].joined(separator: "\n\n"), [.nearDuplicates(0.8)])
    #expect(texts.count == all + (try read(half, [])).texts.count)
    #expect(counts.duplicateSamples == (try read(edited, [])).texts.count)
}

private let wrappedParagraph =
    "the first line of a paragraph\nthat was wrapped and is longer\nthan one line of under-\nstanding"
private let stanza =
    "Tyger Tyger, burning bright,\nIn the forests of the night;\nWhat immortal hand or eye,\nCould frame"

@Test(arguments: [SampleUnit.auto, .paragraphs, .packed])
func unwrapJoinsWrappedParagraphsAmongOthers(unit: SampleUnit) throws {
    let text = (Array(repeating: stanza, count: 9) + [wrappedParagraph, "understanding"]).joined(separator: "\n\n")
    let kept = try read(text, [], unit: unit)
    #expect(kept.texts[9] == wrappedParagraph)
    let (texts, counts) = try read(text, [.unwrap], unit: unit)
    #expect(texts[9] == "the first line of a paragraph that was wrapped and is longer than one line of understanding")
    #expect(texts[0] == stanza && counts.filters[0].unitsAfter == 11)
    #expect(counts.filters[0].bytesBefore - counts.filters[0].bytesAfter == 2)
}

@Test func dehyphenateKeepsLines() throws {
    let text = stanza + "\n\n" + wrappedParagraph + "\n\npre-\neminent understanding"
    let (texts, _) = try read(text, [.dehyphenate])
    #expect(texts[1] == wrappedParagraph.replacing("under-\nstanding", with: "understanding"))
    #expect(texts[0] == stanza && texts[2] == "pre-\neminent understanding")
}

@Test func unwrapAtItsPlaceInTheListSeesWhatEarlierFiltersLeft() throws {
    let text = Array(repeating: wrappedParagraph + "\n\nunderstanding", count: 5).joined(separator: "\n\n")
    let (texts, counts) = try read(text, [.maxWords(30), .unwrap, .dedupeLines], unit: .auto)
    #expect(texts.count == 2 && !texts[0].contains("\n"))
    #expect(counts.filters.map(\.unitsAfter) == [10, 10, 2])
}
