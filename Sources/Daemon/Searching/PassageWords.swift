import Foundation

/// Scores passages by the words that they have in common with a text: BM25 with k₁ = 1.2 and b = 0.75 (Robertson and
/// Zaragoza, 2009). Words are sequences of letters and digits; upper and lower case do not differ.
package struct PassageWords {
    /// Number of different words of the text that count, from its beginning.
    private static let mostWords = 64

    private let words: [String: Int]
    /// Whether one of the words has this first byte and length (`key`), which most words of a passage do not share.
    private let likely: [Bool]
    /// For each word of the text, the number of its occurrences in the passages that have it.
    private var occurrences: [[(passage: Int, count: Int)]]
    private var lengths: [Int] = []

    package init(_ text: String) {
        var words: [String: Int] = [:]
        Self.forEachWord(text.utf8) { bytes, isASCII in
            let word = Self.word(bytes, isASCII)
            if words.count < Self.mostWords, words[word] == nil { words[word] = words.count }
        }
        self.words = words
        var likely = [Bool](repeating: false, count: 1 << 16)
        for word in words.keys { likely[Self.key(Array(word.utf8))] = true }
        self.likely = likely
        occurrences = Array(repeating: [], count: words.count)
    }

    /// Adds the next passage.
    package mutating func add(_ bytes: some Sequence<UInt8>) {
        var (counts, length) = ([:] as [Int: Int], 0)
        Self.forEachWord(bytes) { bytes, isASCII in
            length += 1
            guard !isASCII || likely[Self.key(bytes)] else { return }
            if let index = words[Self.word(bytes, isASCII)] { counts[index, default: 0] += 1 }
        }
        for (index, count) in counts { occurrences[index].append((lengths.count, count)) }
        lengths.append(length)
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

    private static func key(_ word: [UInt8]) -> Int { Int(word[0]) | min(word.count, 255) << 8 }

    private static func word(_ bytes: [UInt8], _ isASCII: Bool) -> String {
        let text = String(decoding: bytes, as: UTF8.self)
        return isASCII ? text : text.lowercased()
    }

    /// - Parameter each: receives the bytes of a word, those in ASCII in lower case, and whether all are in ASCII
    private static func forEachWord(_ bytes: some Sequence<UInt8>, _ each: ([UInt8], Bool) -> Void) {
        var (word, isASCII) = ([] as [UInt8], true)
        func end() {
            guard !word.isEmpty else { return }
            each(word, isASCII)
            word.removeAll(keepingCapacity: true)
            isASCII = true
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
    }
}
