import Datasets
import Jobs
import Testing
import TextFilters

private let prose = """
    The human reason has this peculiar fate that in one species of its knowledge it is burdened by questions which, as \
    prescribed by the very nature of reason itself, it is not able to ignore, but which, as transcending all its powers, \
    it is also not able to answer. The perplexity into which it thus falls is not due to any fault of its own. It begins \
    with principles which it has no option save to employ in the course of experience, and which this experience at the \
    same time abundantly justifies it in using.
    """

/// Wraps words as `fold -s` does.
private func wrapped(_ text: String, width: Int = 60, indent: String = "") -> String {
    var lines: [String] = []
    var line = ""
    for word in text.split(separator: " ") {
        if !line.isEmpty, line.count + 1 + word.count > width {
            lines.append(indent + line)
            line = ""
        }
        line += (line.isEmpty ? "" : " ") + word
    }
    return (lines + [indent + line]).joined(separator: "\n")
}

private let stanza = """
    Tyger Tyger, burning bright,
    In the forests of the night;
    What immortal hand or eye,
    Could frame thy fearful symmetry?
    """

private func repeated(_ text: String, _ count: Int = 20, separator: String = "\n\n") -> String {
    (0..<count).map { "\(text) \($0)" }.joined(separator: separator)
}

/// A text, the unit that `auto` chooses, whether lines are joined, and a part of the reason.
private let texts: [(name: String, text: String, unit: SampleUnit, joins: Bool, reason: String)] = [
    ("wrapped", (0..<9).map { wrapped(prose + " \($0)") }.joined(separator: "\n\n"), .paragraphs, true, "lines joined"),
    ("wrapped CRLF", wrapped(prose).replacing("\n", with: "\r\n"), .paragraphs, true, "without blank lines"),
    (
        "wrapped German", (0..<9).map { wrapped(german + " \($0)", width: 72) }.joined(separator: "\n\n"), .paragraphs,
        true, ""
    ),
    ("no blank lines", wrapped(repeated(prose, separator: " ")), .paragraphs, true, "without blank lines"),
    ("paragraph per line", repeated(prose, separator: "\n"), .lines, false, "per line"),
    ("paragraph per line with blank lines", repeated(prose), .lines, false, "one paragraph per line"),
    (
        "sentence per line", repeated("The concept is an intuition.", separator: "\n"), .lines, false,
        "without blank lines"
    ),
    ("verse", repeated(stanza), .paragraphs, false, "verse"),
    ("list", repeated("- eggs\n- milk\n- bread and butter"), .paragraphs, false, "lists"),
    ("dialogue", repeated("ALICE: How are you?\nBOB: Fine, and you?\nALICE: Well."), .paragraphs, false, "dialogue"),
    ("chat", repeated("Bob: fine, and you?\nAlice: well", separator: "\n"), .lines, false, "dialogue"),
    ("table", repeated("apple     12     red\npear      13     green", separator: "\n"), .lines, false, ""),
    ("ten lines", repeated("The concept is an intuition.", 10, separator: "\n"), .lines, false, ""),
    ("one line", repeated(prose, separator: " "), .lines, false, ""),
    ("U+2028", repeated("The concept is an intuition.", separator: "\u{2028}"), .lines, false, ""),
    ("blank", " \n\n", .lines, false, ""),
]

private let german = """
    Die menschliche Vernunft hat das besondere Schicksal in einer Gattung ihrer Erkenntnisse: daß sie durch Fragen \
    belästigt wird, die sie nicht abweisen kann; denn sie sind ihr durch die Natur der Vernunft selbst aufgegeben, die sie \
    aber auch nicht beantworten kann; denn sie übersteigen alles Vermögen der menschlichen Vernunft. In diese Verlegenheit \
    gerät sie ohne ihre Schuld. Sie fängt von Grundsätzen an, deren Gebrauch im Laufe der Erfahrung unvermeidlich und \
    zugleich durch diese hinreichend bewährt ist.
    """

@Test(arguments: texts.indices)
func autoDecidesFromText(index: Int) throws {
    let (name, text, unit, joins, reason) = texts[index]
    let folder = try TemporaryFolder()
    let corpus = try JobCorpus(file: try folder.write("corpus.txt", text.utf8), name: "corpus.txt")
    let layout = try CorpusLayout(corpus: corpus, unit: .auto)
    #expect(
        layout.unit == unit && layout.joinsLines == joins && layout.reason.contains(reason), "\(name): \(layout.reason)"
    )
    // What is set is not decided.
    let set = try CorpusLayout(corpus: corpus, unit: .packed)
    #expect(set.unit == .packed && !set.joinsLines)
    var records = corpus
    records.samples = .records
    #expect(try CorpusLayout(corpus: records, unit: .auto).unit == .records)
}

@Test func reasonDoesNotDenyBlankLines() throws {
    let folder = try TemporaryFolder()
    func reason(_ text: String) throws -> String {
        let path = try folder.write("corpus.txt", text.utf8)
        return try CorpusLayout(corpus: try JobCorpus(file: path, name: "corpus.txt"), unit: .auto).reason
    }
    let lines = repeated("The concept is an intuition.", separator: "\n")
    #expect(try reason(lines) == "lines without blank lines between them, one sample per line")
    #expect(
        try reason(lines + "\n\n" + lines) == "mostly lines without blank lines between them, one sample per line")
}

/// Texts of more than a megabyte are decided from excerpts.
@Test(arguments: texts.indices)
func autoDecidesLargeTextAlike(index: Int) throws {
    let (name, text, unit, joins, _) = texts[index]
    guard name != "blank", name != "one line" else { return }
    let end = name == "U+2028" ? "\u{2028}" : text.contains("\n\n") ? "\n\n" : "\n"
    let folder = try TemporaryFolder()
    let large = String(repeating: text + end, count: 1 + (2 << 20) / text.utf8.count)
    let corpus = try JobCorpus(file: try folder.write("corpus.txt", large.utf8), name: "corpus.txt")
    let layout = try CorpusLayout(corpus: corpus, unit: .auto)
    #expect(layout.unit == unit && layout.joinsLines == joins, "\(name): \(layout.reason)")
}

@Test func samplesOfWrappedTextAreJoinedAndKeepTheirHash() throws {
    let folder = try TemporaryFolder()
    let paragraphs = (0..<9).map { "\(prose) \($0)." }
    let text = paragraphs.map { wrapped($0) } + [stanza, "A heading", wrapped("An under-\nstanding", width: 9)]
    let path = try folder.write("corpus.txt", (text + ["understanding"]).joined(separator: "\n\n").utf8)
    var reader = try SampleReader(path: path, unit: .auto, filters: [])
    var samples: [Sample] = []
    while let sample = try reader.next() { samples.append(sample) }
    #expect(samples.map(\.text).prefix(9) == paragraphs[...])
    #expect(samples[9].text == stanza && samples[10].text == "A heading")
    #expect(samples.map(\.hash).prefix(11) == text.prefix(11).map { Sample.hash(of: $0) }[...])
}

/// A file of `fortune`: texts of several lines, some with a blank line, between lines of `%`.
private func fortunes(_ count: Int, lines: Int = 3, separator: String = "%") -> String {
    (0..<count).map { index in
        let text = (0..<lines).map { "Saying \(index) has line \($0)," }.joined(separator: "\n")
        return text + "\n\n\t\t-- Somebody\n\(separator)\n"
    }.joined()
}

@Test func linesOfPercentSignsSeparateTexts() throws {
    let folder = try TemporaryFolder()
    func read(_ text: String) throws -> (layout: CorpusLayout, samples: [String]) {
        let path = try folder.write("corpus.txt", text.utf8)
        let corpus = try JobCorpus(file: path, name: "corpus.txt")
        let layout = try CorpusLayout(corpus: corpus, unit: .auto)
        var reader = try SampleReader(path: path, layout: layout, filters: [], seen: SeenTexts())
        var samples: [String] = []
        while let sample = try reader.next() { samples.append(sample.text) }
        return (layout, samples)
    }
    for text in [fortunes(10), "%\n" + fortunes(10), fortunes(10).replacing("\n", with: "\r\n")] {
        let (layout, samples) = try read(text)
        #expect(layout.unit == .paragraphs && !layout.keepsText)
        #expect(layout.reason == "texts separated by lines of ‘%’, lines kept")
        #expect(samples.count == 10 && !samples.contains { $0.contains("%") })
        #expect(
            samples.first
                == "Saying 0 has line 0,\nSaying 0 has line 1,\nSaying 0 has line 2,\n\n\t\t-- Somebody")
    }
    // Too few, too far apart, and not alone on their lines.
    for text in [fortunes(9), fortunes(20, lines: 60), fortunes(20, separator: "100 %")] {
        let (layout, samples) = try read(text)
        #expect(layout.keepsText && !layout.reason.contains("%"))
        #expect(samples.contains { $0.contains("%") })
    }
    let text = (0..<20).map { wrapped(prose + " \($0)") }.joined(separator: "\n%\n")
    let (layout, samples) = try read(text)
    #expect(layout.joinsLines && layout.reason == "texts separated by lines of ‘%’, lines joined")
    #expect(samples.count == 20 && samples.first == prose + " 0")
}

/// A file that changes shows whether a layout was decided again.
@Test func layoutsKeepALimitedNumberOfWords() throws {
    let folder = try TemporaryFolder()
    let text = wrapped(repeated(prose + " concept", separator: " ")) + "\n\nThis con-\ncept is one of the con-\ncepts."
    let path = try folder.write("corpus.txt", text.utf8)
    let corpus = try JobCorpus(file: path, name: "corpus.txt")
    for (mostWords, keeps) in [(0, false), (1, true)] {
        _ = try folder.write("corpus.txt", text.utf8)
        let layouts = CorpusLayouts(mostWords: mostWords)
        let layout = try layouts.layout(of: corpus, unit: .auto, filters: [])
        #expect(layout.words.foundCount == 1)
        _ = try folder.write("corpus.txt", "One line".utf8)
        #expect(try layouts.layout(of: corpus, unit: .auto, filters: []).joinsLines == keeps)
    }
}

@Test func searchForMarkersReportsProgress() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("corpus.txt", String(repeating: "line\n", count: 3000).utf8)
    var beats = 0
    let corpus = try JobCorpus(file: path, name: "corpus.txt")
    _ = try CorpusLayout(corpus: corpus, unit: .lines, filters: [.gutenberg]) { beats += 1 }
    #expect(beats == 2)
}
