/// A setting that cannot be used.
public struct SettingsError: Error, Sendable, Equatable, CustomStringConvertible {
    /// `FILE`, `FILE:LINE` or `environment variable NAME`.
    public var place: String
    /// The dotted key; nil if the error concerns the file as a whole.
    public var key: String?
    public var expected: String
    public var found: String

    package init(place: String, key: String?, expected: String, found: String) {
        self.place = place
        self.key = key
        self.expected = expected
        self.found = found
    }

    public var description: String {
        "\(place): \(key.map { "\($0): " } ?? "")expected \(expected), found \(found)"
    }
}
