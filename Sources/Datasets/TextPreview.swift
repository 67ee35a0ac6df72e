import Conversations
import Jobs
import TextFilters

/// What a run would learn from a text.
public struct TextPreview: Codable, Sendable, Equatable {
    /// How the text is divided; never `auto`.
    public var samples: SampleUnit
    public var joinsLines: Bool
    /// The form of the text, or the setting that determined the unit.
    public var reason: String
    /// UTF-8 bytes of the text, without blank lines.
    public var bytes = 0
    /// Lines, paragraphs or records; long ones count as several.
    public var units = 0
    /// The units before and after each filter, in the order in which they are applied.
    public var filters: [FilterCount] = []
    /// Units that remain after the filters.
    public var unitsLeft = 0
    public var bytesLeft = 0
    /// Share of those bytes that would be held out for evaluation.
    public var heldOutShare = 0.0
    /// The first units as they would be learned.
    public var examples: [Example] = []

    public struct Example: Codable, Sendable, Equatable {
        /// At most `TextPreview.longestExample` characters.
        public var text: String
        public var isShortened: Bool
        public var isHeldOut: Bool
        /// Whether it continues the previous unit, which was too long for one.
        public var isContinuation: Bool
    }

    /// Units that begin further into the text are not examined. The form of the text, and what `gutenberg` and
    /// `dehyphenate` remove, depend on the whole text.
    public static let mostBytes = 64 << 20
    /// Maximum number of examples.
    public static let mostExamples = 1000
    /// Maximum length of an example in Unicode scalars.
    public static let longestExample = 400

    /// Reads a text as a run would.
    /// - Parameters:
    ///   - isStructured: whether the text has one record per line, regardless of `unit`
    ///   - end: no unit that begins at or after this offset is read
    ///   - heldOut: share of the samples that are held out
    ///   - examples: number of examples, at most `mostExamples`
    public init(
        path: String, isStructured: Bool = false, unit: SampleUnit, filters: [TextFilter], heldOut: Double,
        examples count: Int, end: Int = mostBytes
    ) throws(DatasetError) {
        let layout =
            isStructured
            ? try .ofTable(path: path, unit: unit) : try CorpusLayout(path: path, unit: unit, filters: filters)
        (samples, joinsLines, reason) = (layout.unit, layout.joinsLines, layout.reason)
        var reader = try SampleReader(path: path, layout: layout, filters: filters, seen: SeenTexts(), end: end)
        var split = HeldOutSplit<Void>(share: heldOut)
        var heldOutBytes = 0
        while let sample = try reader.next() {
            for decided in split.add(sample, ()) { add(decided.sample, decided.isHeldOut, &heldOutBytes, count) }
        }
        for decided in split.finish() { add(decided.sample, decided.isHeldOut, &heldOutBytes, count) }
        heldOutShare = bytesLeft == 0 ? 0 : Double(heldOutBytes) / Double(bytesLeft)
        (bytes, units) = (reader.counts.bytes, reader.counts.samples)
        self.filters = reader.counts.filters
    }

    private mutating func add(_ sample: Sample, _ isHeldOut: Bool, _ heldOutBytes: inout Int, _ count: Int) {
        let size = sample.text.utf8.count
        unitsLeft += 1
        bytesLeft += size
        if isHeldOut { heldOutBytes += size }
        guard examples.count < min(count, TextPreview.mostExamples) else { return }
        let text =
            sample.turns.isEmpty
            ? sample.text : sample.turns.map { "\($0.role.rawValue): \($0.content)" }.joined(separator: "\n")
        let shown = String(text.unicodeScalars.prefix(TextPreview.longestExample))
        examples.append(
            Example(
                text: shown, isShortened: shown.utf8.count < text.utf8.count, isHeldOut: isHeldOut,
                isContinuation: sample.isContinuation))
    }
}
