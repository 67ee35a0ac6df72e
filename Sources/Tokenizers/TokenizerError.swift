/// An error in a tokenizer file, a setting or a corpus: its location, what was expected and what was found.
public struct TokenizerError: Error, CustomStringConvertible, Equatable {
    /// The file, or the name of the parameter.
    public let path: String
    /// The location, such as `line 12` or `key model.merges[3]`, or nil if the error concerns the whole file.
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
