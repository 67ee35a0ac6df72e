/// A filter that is applied to text before tokenization, with its parameter.
///
/// In JSON, a filter is a string, `"lowercase"`, or an object with one key, `{"min_words": 30}`. The semantics are
/// those of the given Python expressions. Texts are samples: lines, paragraphs or records.
public enum TextFilter: Sendable, Hashable {
    /// `text.lower()`
    case lowercase
    /// Removes all other characters: `re.sub(r"[^…]", "", text)`.
    case keep(KeptCharacters)
    /// Drops texts with fewer words: `len(text.split())`.
    case minWords(Int)
    /// Drops texts with more words.
    case maxWords(Int)
    /// `re.sub(r"\b(?:[Hh][Tt][Tt][Pp][Ss]?://|[Ww]{3}\.)\S+", "", text)`
    case stripURLs
    /// `re.sub(r"(?<!\w)@\w+", "", text)`, which leaves email addresses unchanged.
    case stripMentions
    /// Drops texts that occurred before in their current form. Uses about 16 bytes of memory per text.
    case dedupeLines
    /// Removes the control sequences of terminals and the overstrikes of printers; see `[UInt8].stripANSI`.
    case stripANSI
    /// Joins the lines of hard-wrapped paragraphs, also where `samples: auto` would not; see `LineJoiner`.
    case unwrap
    /// Joins words that are hyphenated at the end of a line and occur elsewhere in one piece.
    case dehyphenate
    /// Drops the text before and after the markers of Project Gutenberg.
    case gutenberg
    /// Drops lines, paragraphs and records whose whole text in the corpus occurred before. Uses about 16 bytes of
    /// memory for each.
    case dedupeDocuments
    /// Drops lines, paragraphs and records of whose text in the corpus at least this share is that of an earlier one; see
    /// `TextSketch`. Uses about 400 bytes of memory for each, and less than 300 MB.
    case nearDuplicates(Double)

    public enum Name: String, Sendable, Codable, CaseIterable {
        case lowercase, keep
        case minWords = "min_words"
        case maxWords = "max_words"
        case stripURLs = "strip_urls"
        case stripMentions = "strip_mentions"
        case dedupeLines = "dedupe_lines"
        case stripANSI = "strip_ansi"
        case unwrap, dehyphenate, gutenberg
        case dedupeDocuments = "dedupe_documents"
        case nearDuplicates = "near_duplicates"

        /// Whether the filter drops texts only because they are duplicates.
        public var isForDuplicates: Bool {
            self == .dedupeLines || self == .dedupeDocuments || self == .nearDuplicates
        }

        /// Filters that are applied to the corpus as stored, in order, before all others.
        public static let forCorpora: [Name] = [.gutenberg, .dedupeDocuments, .nearDuplicates]
    }

    public var name: Name {
        switch self {
        case .lowercase: .lowercase
        case .keep: .keep
        case .minWords: .minWords
        case .maxWords: .maxWords
        case .stripURLs: .stripURLs
        case .stripMentions: .stripMentions
        case .dedupeLines: .dedupeLines
        case .stripANSI: .stripANSI
        case .unwrap: .unwrap
        case .dehyphenate: .dehyphenate
        case .gutenberg: .gutenberg
        case .dedupeDocuments: .dedupeDocuments
        case .nearDuplicates: .nearDuplicates
        }
    }

    /// Whether the filter modifies the characters of a text, so that it must also be applied to prompts. Other filters
    /// select texts or depend on the whole corpus.
    public var appliesToPrompts: Bool {
        switch self {
        case .lowercase, .keep, .stripURLs, .stripMentions, .stripANSI: true
        case .minWords, .maxWords, .dedupeLines, .unwrap, .dehyphenate, .gutenberg, .dedupeDocuments, .nearDuplicates:
            false
        }
    }

    /// Whether the filter is applied to the corpus as stored, before all others.
    public var appliesToCorpus: Bool { Name.forCorpora.contains(name) }
}

/// An invalid filter or filter value.
public struct TextFilterError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The key with the invalid value: `filters`, or the name of a filter with a value, such as `keep`.
    public var key: String
    public var expected: String
    public var found: String

    public var description: String { "\(key): expected \(expected), found \(found)" }
}

extension TextFilter: CustomStringConvertible {
    /// `lowercase`, `keep "a-z '"`, `min_words 30`
    public var description: String {
        switch self {
        case .keep(let characters): "\(name.rawValue) \"\(characters.text)\""
        case .minWords(let count), .maxWords(let count): "\(name.rawValue) \(count)"
        case .nearDuplicates(let share): "\(name.rawValue) \(share)"
        case .lowercase, .stripURLs, .stripMentions, .dedupeLines, .stripANSI, .unwrap, .dehyphenate, .gutenberg,
            .dedupeDocuments:
            name.rawValue
        }
    }
}

// MARK: Names

/// The values of filters that need one, which are separate keys next to the list of names.
public struct TextFilterValues: Sendable, Equatable {
    public var keep: String?
    public var minWords: Int?
    public var maxWords: Int?
    public var nearDuplicates: Double?

    public init(
        keep: String? = nil, minWords: Int? = nil, maxWords: Int? = nil, nearDuplicates: Double? = nil
    ) {
        self.keep = keep
        self.minWords = minWords
        self.maxWords = maxWords
        self.nearDuplicates = nearDuplicates
    }
}

extension TextFilter {
    /// Name of a preset for customer support tweets: lower case, a–z, white space and apostrophes, at least 30 words.
    public static let tweets = "tweets"
    private static let tweetNames: [Name] = [.lowercase, .keep, .minWords]
    private static let tweetValues = TextFilterValues(keep: "a-z '", minWords: 30)

    /// Returns the filters with these names, in the same order.
    /// - Parameter values: values of the filters that need one; a value without its filter is rejected, because it
    ///   would have no effect
    public static func named(_ names: [String], _ values: TextFilterValues = .init()) throws(TextFilterError)
        -> [TextFilter]
    {
        var values = values
        var filters: [TextFilter] = []
        for name in names {
            if name == tweets {
                values.keep = values.keep ?? tweetValues.keep
                values.minWords = values.minWords ?? tweetValues.minWords
                for name in tweetNames { filters.append(try make(name, values)) }
            } else if let name = Name(rawValue: name) {
                filters.append(try make(name, values))
            } else {
                throw unknown(name)
            }
        }
        let given: [(Name, Bool)] = [
            (.keep, values.keep != nil), (.minWords, values.minWords != nil), (.maxWords, values.maxWords != nil),
            (.nearDuplicates, values.nearDuplicates != nil),
        ]
        for (name, isGiven) in given where isGiven && !filters.contains(where: { $0.name == name }) {
            throw TextFilterError(
                key: name.rawValue, expected: "\(name.rawValue) in the list of filters", found: "only its value")
        }
        return filters
    }

    private static func make(_ name: Name, _ values: TextFilterValues) throws(TextFilterError) -> TextFilter {
        func needed<Value>(_ value: Value?, _ what: String) throws(TextFilterError) -> Value {
            guard let value else { throw TextFilterError(key: name.rawValue, expected: what, found: "nothing") }
            return value
        }
        switch name {
        case .lowercase: return .lowercase
        case .keep: return .keep(try KeptCharacters(try needed(values.keep, KeptCharacters.expected)))
        case .minWords: return .minWords(try words(try needed(values.minWords, wordsExpected), name))
        case .maxWords: return .maxWords(try words(try needed(values.maxWords, wordsExpected), name))
        case .stripURLs: return .stripURLs
        case .stripMentions: return .stripMentions
        case .dedupeLines: return .dedupeLines
        case .stripANSI: return .stripANSI
        case .unwrap: return .unwrap
        case .dehyphenate: return .dehyphenate
        case .gutenberg: return .gutenberg
        case .dedupeDocuments: return .dedupeDocuments
        case .nearDuplicates: return .nearDuplicates(try share(try needed(values.nearDuplicates, shareExpected)))
        }
    }

    /// The shares of text in common for which two texts may be called duplicates. Different texts of a language have a
    /// smaller one, and the error of the estimate is that of texts with a larger one.
    public static let nearDuplicateShares = 0.6...0.95
    private static let shareExpected =
        "a share from \(nearDuplicateShares.lowerBound) to \(nearDuplicateShares.upperBound)"

    private static func share(_ share: Double) throws(TextFilterError) -> Double {
        guard nearDuplicateShares.contains(share) else {
            throw TextFilterError(key: Name.nearDuplicates.rawValue, expected: shareExpected, found: "\(share)")
        }
        return share
    }

    private static let wordsExpected = "a number of words, at least 1"

    private static func words(_ count: Int, _ name: Name) throws(TextFilterError) -> Int {
        guard count >= 1 else {
            throw TextFilterError(key: name.rawValue, expected: wordsExpected, found: "\(count)")
        }
        return count
    }

    private static func unknown(_ name: String) -> TextFilterError {
        let known = Name.allCases.map(\.rawValue) + [tweets]
        return TextFilterError(
            key: "filters", expected: "one of \(known.joined(separator: ", "))", found: "‘\(name)’")
    }
}

// MARK: JSON

extension TextFilter: Codable {
    private struct Key: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }

        /// Creates a key in camel case, which a snake_case encoder converts to `min_words`.
        init(_ name: Name) {
            stringValue =
                switch name {
                case .minWords: "minWords"
                case .maxWords: "maxWords"
                case .nearDuplicates: "nearDuplicates"
                default: name.rawValue
                }
        }
        init?(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    public init(from decoder: any Decoder) throws {
        do {
            if let word = try? decoder.singleValueContainer().decode(String.self) {
                let filters = try TextFilter.named([word])
                guard filters.count == 1 else {
                    throw TextFilterError(key: "filters", expected: "one filter", found: "‘\(word)’")
                }
                self = filters[0]
                return
            }
            let object = try decoder.container(keyedBy: Key.self)
            guard object.allKeys.count == 1 else {
                throw TextFilterError(
                    key: "filters", expected: "an object with one key", found: "\(object.allKeys.count) keys")
            }
            let key = object.allKeys[0]
            switch Name.allCases.first(where: { Key($0).stringValue == key.stringValue }) {
            case .keep: self = .keep(try KeptCharacters(try object.decode(String.self, forKey: key)))
            case .minWords: self = .minWords(try TextFilter.words(try object.decode(Int.self, forKey: key), .minWords))
            case .maxWords: self = .maxWords(try TextFilter.words(try object.decode(Int.self, forKey: key), .maxWords))
            case .nearDuplicates:
                self = .nearDuplicates(try TextFilter.share(try object.decode(Double.self, forKey: key)))
            default: throw TextFilter.unknown(key.stringValue)
            }
        } catch let error as TextFilterError {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "\(error)", underlyingError: error))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        switch self {
        case .keep(let characters):
            var object = encoder.container(keyedBy: Key.self)
            try object.encode(characters.text, forKey: Key(name))
        case .minWords(let count), .maxWords(let count):
            var object = encoder.container(keyedBy: Key.self)
            try object.encode(count, forKey: Key(name))
        case .nearDuplicates(let share):
            var object = encoder.container(keyedBy: Key.self)
            try object.encode(share, forKey: Key(name))
        case .lowercase, .stripURLs, .stripMentions, .dedupeLines, .stripANSI, .unwrap, .dehyphenate, .gutenberg,
            .dedupeDocuments:
            var word = encoder.singleValueContainer()
            try word.encode(name.rawValue)
        }
    }
}
