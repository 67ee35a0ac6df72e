/// An invalid job.
public struct JobError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The location in the job, such as `recipe.block_size` or `corpora[0].path`; empty for the file as a whole.
    public var key: String
    public var expected: String
    public var found: String

    public init(key: String, expected: String, found: String) {
        self.key = key
        self.expected = expected
        self.found = found
    }

    public var description: String {
        (key.isEmpty ? "the job" : "‘\(key)’ in the job") + ": expected \(expected), found \(found)"
    }
}
