import Glibc

extension AutomaticModel {
    /// The largest vocabulary of a tokenizer that a run chooses.
    public static let largestVocabulary = 52_000

    /// Returns the vocabulary size for an amount of text, a multiple of 64.
    ///
    /// The vocabulary grows with the text as in Heaps' law: for a book, 4,000 tokens if the model continues text, and
    /// 8,000 if it fills masks, so that most words are one token; for ten times the text, 2.5 times as many.
    /// - Parameter textBytes: the size of the text that filters left
    public static func vocabulary(textBytes: Int, for objective: Objective) -> Int {
        let ofBook: Double = objective == .mlm ? 8_000 : 4_000
        let size = ofBook * pow(Double(max(textBytes, 1)) / bookBytes, 0.4)
        return min(max(Int(size / 64) * 64, 512), largestVocabulary)
    }

    /// Returns the training time in seconds of `max_time: auto`, in whole minutes.
    public static func seconds(textBytes: Int) -> Double {
        let seconds = 3600 * pow(Double(max(textBytes, 1)) / bookBytes, 0.25)
        return (min(max(seconds, 600), 8 * 3600) / 60).rounded() * 60
    }

    /// Describes `seconds(textBytes:)`.
    static let timeDescription = """
        an hour for the text of a book (1.7 MB) and twice as long for 16 times as much, from ten minutes to eight hours
        """

    private static let bookBytes = 1.7e6
}
