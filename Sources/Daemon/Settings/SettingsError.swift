/// A setting that cannot be used: where it stands, what was wanted and what is there.
public struct SettingsError: Error, Sendable, Equatable, CustomStringConvertible {
    /// `FILE`, `FILE:LINE` or `environment variable NAME`.
    public var place: String
    /// The dotted key; nil where the file as a whole is meant.
    public var key: String?
    public var expected: String
    public var found: String

    public var description: String {
        "\(place): \(key.map { "\($0): " } ?? "")expected \(expected), found \(found)"
    }
}
