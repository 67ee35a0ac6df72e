/// Why a model directory, a safetensors file or a configuration cannot be used.
public struct ModelError: Error, CustomStringConvertible, Sendable, Equatable {
    /// The file at fault.
    public let path: String
    /// What was expected and what was found.
    public let reason: String

    public init(path: String, reason: String) {
        self.path = path
        self.reason = reason
    }

    public var description: String { "\(path): \(reason)" }
}
