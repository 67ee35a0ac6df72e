/// The reason a model directory, safetensors file or configuration cannot be used.
public struct ModelError: Error, CustomStringConvertible, Sendable, Equatable {
    /// Path of the invalid file.
    public let path: String
    /// The problem, including what was expected and what was found.
    public let reason: String

    public init(path: String, reason: String) {
        self.path = path
        self.reason = reason
    }

    public var description: String { "\(path): \(reason)" }
}
