import TextReading

/// How much of a document is left out because of an error in it.
struct Loss: CustomStringConvertible {
    private(set) var part = 0
    private(set) var whole = 0

    mutating func add(_ part: Int, of whole: Int) {
        self.part += part
        self.whole += whole
    }

    mutating func add(_ other: Loss) { add(other.part, of: other.whole) }

    var isEmpty: Bool { part == 0 }

    /// The size of the part and of the whole.
    var description: String { "\(part) of \(whole) bytes" }

    /// Rejects a document of which more than a fifth would be left out: the original is removed when a file is admitted.
    /// - Parameters:
    ///   - cause: what is wrong, as the beginning of a sentence
    ///   - unit: what is counted, in the plural
    func check(_ cause: String, unit: String = "bytes") throws {
        guard part > whole / 5 else { return }
        throw RejectionError(
            "\(cause), so \(part) of \(whole) \(unit) would be left out: correct it and drop the file again")
    }
}
