/// What is wrong with a tokenizer's file, a setting or a corpus: where, what was expected, what was found.
public struct TokenizerError: Error, CustomStringConvertible, Equatable {
    /// The file, or the name of the parameter.
    public let path: String
    /// `line 12`, `key model.merges[3]`; null where the whole file is meant.
    public let place: String?
    public let expected: String
    public let found: String

    public init(path: String, place: String? = nil, expected: String, found: String) {
        self.path = path
        self.place = place
        self.expected = expected
        self.found = found
    }

    public var description: String {
        let location = place.map { "\(path): \($0)" } ?? path
        return "\(location): expected \(expected), found \(found)"
    }
}
