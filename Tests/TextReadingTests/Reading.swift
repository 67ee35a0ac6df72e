import TextReading

/// What became of a document.
struct Reading: Equatable {
    /// The stored lines; nil if the document was rejected.
    var lines: [String]?
    var format = ""
    var warnings: [String] = []
    var rejection: String?

    /// Reads a document that arrives in pieces of this many bytes.
    init(
        _ format: TextFormat, _ text: String, _ options: ReadingOptions = .init(), pieces size: Int = 1 << 16
    ) throws {
        let bytes = Array(text.utf8)
        var stored: [UInt8] = []
        var reading = CorpusReading(options: options) { stored += $0 }
        do {
            try reading.readDocument(format) { take in
                for start in stride(from: 0, to: bytes.count, by: size) {
                    try bytes[start..<min(bytes.count, start + size)].withUnsafeBytes(take)
                }
            }
        } catch let error as RejectionError {
            rejection = error.reason.text
            return
        }
        lines = String(decoding: stored, as: UTF8.self).split(separator: "\n").map(String.init)
        self.format = reading.report.format
        warnings = reading.report.warnings
    }
}

/// Returns a sentence without delimiters of tables.
func sentence(_ number: Int) -> String { "The old garden near the river is green. No \(number)" }
