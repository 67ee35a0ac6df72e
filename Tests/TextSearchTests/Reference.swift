import Foundation
import TextSearch

/// SplitMix64.
struct SeededRandom: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

/// The tokens of a text, found character by character, without tables.
struct ReferenceText {
    struct Token: Equatable {
        var text: String
        var bytes: Range<Int>
        /// Whether white space follows.
        var hasSpace: Bool
        var isWord: Bool

        static func == (left: Token, right: Token) -> Bool {
            left.text.unicodeScalars.elementsEqual(right.text.unicodeScalars)
        }
    }

    var tokens: [Token] = []

    init(_ text: String) {
        let scalars = Array(text.unicodeScalars)
        var (index, byte) = (0, 0)
        func length(_ scalar: Unicode.Scalar) -> Int { String(scalar).utf8.count }
        while index < scalars.count {
            if Self.isSpace(scalars[index]) {
                if !tokens.isEmpty { tokens[tokens.count - 1].hasSpace = true }
                byte += length(scalars[index])
                index += 1
                continue
            }
            let isLetter = Self.isLetter(scalars[index])
            let isAlone = Self.isAlone(scalars[index])
            var end = index + 1
            while end < scalars.count {
                if Self.isMark(scalars[end]) || (isLetter && Self.isLetter(scalars[end])) {
                    end += 1
                } else if isLetter, "'\u{2019}".unicodeScalars.contains(scalars[end]), end + 1 < scalars.count,
                    Self.isLetter(scalars[end + 1])
                {
                    end += 2
                } else {
                    break
                }
            }
            let token = String(String.UnicodeScalarView(scalars[index..<end]))
            tokens.append(
                Token(
                    text: token, bytes: byte..<(byte + token.utf8.count), hasSpace: false, isWord: isLetter || isAlone))
            byte += token.utf8.count
            index = end
        }
    }

    private static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.isWhitespace || scalar.properties.generalCategory == .control
    }

    private static func isMark(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.isEmojiModifier
            || [.nonspacingMark, .spacingMark, .enclosingMark, .format].contains(scalar.properties.generalCategory)
    }

    /// The only characters of scripts without spaces in these tests are Han and Kana.
    private static func isAlone(_ scalar: Unicode.Scalar) -> Bool {
        (0x3040...0x30FF).contains(scalar.value) || (0x4E00...0x9FFF).contains(scalar.value)
    }

    private static func isLetter(_ scalar: Unicode.Scalar) -> Bool {
        let category = scalar.properties.generalCategory
        return !isAlone(scalar)
            && (scalar.properties.isAlphabetic && !isMark(scalar) || category == .decimalNumber
                || category == .otherNumber || category == .connectorPunctuation)
    }

    /// Returns the places at which a sequence of tokens of another text occurs, compared one by one.
    func places(_ wanted: ArraySlice<Token>) -> [Int] {
        guard !wanted.isEmpty, wanted.count <= tokens.count else { return [] }
        return (0...(tokens.count - wanted.count)).filter { start in
            zip(wanted, tokens[start...]).enumerated().allSatisfy { offset, pair in
                pair.0 == pair.1 && (offset == wanted.count - 1 || pair.0.hasSpace == pair.1.hasSpace)
            }
        }
    }
}

/// Random texts that repeat themselves.
enum RandomText {
    static let alphabets: [[String]] = [
        ["a", " "], ["a", "b", " "], ["ab ", "ba ", "a", "\n"], ["x", ".", " ", "\n\n"], [",", ".", ",."],
        ["é", "e\u{301}", "E", "ß", "Ä", " ", "漢", "字", "か", "😀", "👍🏽", "\u{A0}", "\n", ".", "'", "’", "-", "_", "1"],
        ["don't ", "don", "'", "t ", "’t", "\t"], ["漢", "字", "。"],
        ["the ", "The ", "pure ", "reason", "reasons ", ", ", "\n", "\r\n"],
    ]

    static func make(_ alphabet: [String], pieces: Int, _ random: inout SeededRandom) -> String {
        var text = ""
        while pieces > 0, text.unicodeScalars.count < pieces {
            if !text.isEmpty, Int.random(in: 0..<6, using: &random) == 0 {
                // Repeats a part of what there is.
                let scalars = Array(text.unicodeScalars)
                let start = Int.random(in: 0..<scalars.count, using: &random)
                let end = min(scalars.count, start + Int.random(in: 1...20, using: &random))
                text.unicodeScalars.append(contentsOf: scalars[start..<end])
            } else {
                text += alphabet.randomElement(using: &random)!
            }
        }
        return text
    }
}

/// Corpora in a temporary folder, removed with the last reference.
final class TestCorpora {
    let folder: String
    private(set) var indexes: [CorpusIndex] = []
    private(set) var texts: [[UInt8]] = []

    init() throws {
        // In memory if possible: builds are synced to disk.
        let root = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"
        folder = "\(root)/kb-search-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    convenience init(_ texts: [String], parameters: IndexParameters = IndexParameters()) throws {
        try self.init()
        for text in texts { try add(Array(text.utf8), parameters: parameters) }
    }

    func add(_ text: [UInt8], parameters: IndexParameters = IndexParameters(), threads: Int = 1) throws {
        let number = indexes.count
        try Data(text).write(to: URL(filePath: textPath(number)))
        try CorpusIndex.build(
            text: textPath(number), sha256: Self.sha256(number), at: indexPath(number), threads: threads,
            parameters: parameters)
        texts.append(text)
        indexes.append(try open(number))
    }

    func open(_ number: Int) throws -> CorpusIndex {
        try CorpusIndex(text: textPath(number), index: indexPath(number), sha256: Self.sha256(number))
    }

    func textPath(_ number: Int) -> String { "\(folder)/text-\(number)" }
    func indexPath(_ number: Int) -> String { "\(folder)/index-\(number)" }

    /// Recorded, not verified.
    static func sha256(_ number: Int) -> String {
        String(repeating: "0123456789abcdef", count: 3) + String(String(number + 1 << 60, radix: 16).suffix(16))
    }

    var search: CorpusSearch { CorpusSearch(indexes) }

    deinit { try? FileManager.default.removeItem(atPath: folder) }
}
