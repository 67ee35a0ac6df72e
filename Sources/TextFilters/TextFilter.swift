/// One step that text goes through before it is tokenized, with its value.
///
/// In JSON a word, `"lowercase"`, or an object of one key, `{"min_words": 30}`. What each does is said in Python's terms;
/// the texts are the samples: lines, paragraphs or records.
public enum TextFilter: Sendable, Hashable {
    /// `text.lower()`
    case lowercase
    /// All other characters are removed: `re.sub(r"[^…]", "", text)`.
    case keep(KeptCharacters)
    /// A text of fewer words, `len(text.split())`, is left out.
    case minWords(Int)
    /// A text of more words is left out.
    case maxWords(Int)
    /// `re.sub(r"\b(?:[Hh][Tt][Tt][Pp][Ss]?://|[Ww]{3}\.)\S+", "", text)`
    case stripURLs
    /// `re.sub(r"(?<!\w)@\w+", "", text)`: the at sign of an address of mail stays.
    case stripMentions
    /// A text that came before, as it is at this step, is left out. The memory takes about 16 bytes a text.
    case dedupeLines

    public enum Name: String, Sendable, CaseIterable {
        case lowercase, keep
        case minWords = "min_words"
        case maxWords = "max_words"
        case stripURLs = "strip_urls"
        case stripMentions = "strip_mentions"
        case dedupeLines = "dedupe_lines"
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
        }
    }

    /// Whether it changes how words are written, and so must change what a model is asked; the others choose texts.
    public var appliesToPrompts: Bool {
        switch self {
        case .lowercase, .keep, .stripURLs, .stripMentions: true
        case .minWords, .maxWords, .dedupeLines: false
        }
    }
}

/// A filter that cannot be used.
public struct TextFilterError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Which key it is about: `filters`, or the filter's value, such as `keep`.
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
        case .lowercase, .stripURLs, .stripMentions, .dedupeLines: name.rawValue
        }
    }
}

// MARK: By name

/// The values of filters that need one, as they stand in keys beside the list of names.
public struct TextFilterValues: Sendable, Equatable {
    public var keep: String?
    public var minWords: Int?
    public var maxWords: Int?

    public init(keep: String? = nil, minWords: Int? = nil, maxWords: Int? = nil) {
        self.keep = keep
        self.minWords = minWords
        self.maxWords = maxWords
    }
}

extension TextFilter {
    /// The recipe for tweets of customer support: lower-case, a–z, white space and apostrophes, at least 30 words.
    public static let tweets = "tweets"
    private static let tweetNames: [Name] = [.lowercase, .keep, .minWords]
    private static let tweetValues = TextFilterValues(keep: "a-z '", minWords: 30)

    /// The filters of these names, in this order.
    /// - Parameter values: of the filters that need one; a value without its filter is refused, for it would do nothing
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
        ]
        for (name, isGiven) in given where isGiven && !filters.contains(where: { $0.name == name }) {
            throw TextFilterError(key: name.rawValue, expected: "\(name.rawValue) among the filters", found: "none")
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
        }
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
            key: "filters", expected: "names of filters: \(known.joined(separator: ", "))", found: "‘\(name)’")
    }
}

// MARK: As JSON

extension TextFilter: Codable {
    private struct Key: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }

        /// In camel case: a coder that writes snake_case makes `min_words` of it.
        init(_ name: Name) {
            stringValue =
                switch name {
                case .minWords: "minWords"
                case .maxWords: "maxWords"
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
                throw TextFilterError(key: "filters", expected: "a filter's one key", found: "\(object.allKeys.count)")
            }
            let key = object.allKeys[0]
            switch Name.allCases.first(where: { Key($0).stringValue == key.stringValue }) {
            case .keep: self = .keep(try KeptCharacters(try object.decode(String.self, forKey: key)))
            case .minWords: self = .minWords(try TextFilter.words(try object.decode(Int.self, forKey: key), .minWords))
            case .maxWords: self = .maxWords(try TextFilter.words(try object.decode(Int.self, forKey: key), .maxWords))
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
        case .lowercase, .stripURLs, .stripMentions, .dedupeLines:
            var word = encoder.singleValueContainer()
            try word.encode(name.rawValue)
        }
    }
}
