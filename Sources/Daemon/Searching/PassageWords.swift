import Foundation

/// Scores passages by the words that they have in common with a text: BM25 with k₁ = 1.2 and b = 0.75 (Robertson and
/// Zaragoza, 2009). Words are sequences of letters and digits; upper and lower case do not differ.
package struct PassageWords {
    /// Number of different words of the text that count, from its beginning.
    private static let mostWords = 64

    private let words: [String: Int]
    /// For each word of the text, the number of its occurrences in the passages that have it.
    private var occurrences: [[(passage: Int, count: Int)]]
    private var lengths: [Int] = []

    package init(_ text: String) {
        var words: [String: Int] = [:]
        for word in Self.words(Array(text.utf8)) where words.count < Self.mostWords && words[word] == nil {
            words[word] = words.count
        }
        self.words = words
        occurrences = Array(repeating: [], count: words.count)
    }

    /// Adds the next passage.
    package mutating func add(_ bytes: some Sequence<UInt8>) {
        var counts: [Int: Int] = [:]
        let found = Self.words(bytes)
        for word in found {
            if let index = words[word] { counts[index, default: 0] += 1 }
        }
        for (index, count) in counts { occurrences[index].append((lengths.count, count)) }
        lengths.append(found.count)
    }

    /// The score of each passage; 0 if it has none of the words.
    package var scores: [Double] {
        var scores = [Double](repeating: 0, count: lengths.count)
        let mean = max(1, Double(lengths.reduce(0, +)) / Double(max(1, lengths.count)))
        for places in occurrences {
            let having = Double(places.count)
            let weight = log(1 + (Double(lengths.count) - having + 0.5) / (having + 0.5))
            for (passage, count) in places {
                let (count, length) = (Double(count), Double(lengths[passage]))
                scores[passage] += weight * count * 2.2 / (count + 1.2 * (0.25 + 0.75 * length / mean))
            }
        }
        return scores
    }

    private static func words(_ bytes: some Sequence<UInt8>) -> [String] {
        var words: [String] = []
        var (word, isASCII) = ([] as [UInt8], true)
        func end() {
            guard !word.isEmpty else { return }
            let text = String(decoding: word, as: UTF8.self)
            words.append(isASCII ? text : text.lowercased())
            (word, isASCII) = ([], true)
        }
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): word.append(byte | 0x20)
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): word.append(byte)
            case 0x80...:
                word.append(byte)
                isASCII = false
            default: end()
            }
        }
        end()
        return words
    }
}
