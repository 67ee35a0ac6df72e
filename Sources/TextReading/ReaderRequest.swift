/// The request to `kantaibert-read`, as JSON in an environment variable.
public struct ReaderRequest: Codable, Sendable {
    /// The name of the environment variable.
    public static let variable = "KANTAIBERT_READ_REQUEST"

    /// The file's name, whose extensions may determine its format.
    public var name: String
    /// Size of the file in bytes.
    public var bytes: Int
    public var options: ReadingOptions
    /// Limits of the process.
    public var limits: ReaderLimits

    public init(name: String, bytes: Int, options: ReadingOptions, limits: ReaderLimits) {
        self.name = name
        self.bytes = bytes
        self.options = options
        self.limits = limits
    }

    /// The descriptors that the process inherits. Standard output receives the text.
    public enum Descriptor: Int32, Sendable, CaseIterable {
        case file = 0
        case text = 1
        /// Receives one `ReaderAnswer` as JSON.
        case answer = 3
        /// An empty file without a name, for unpacking.
        case scratch = 4
    }
}

/// Limits of a process that reads one file.
public struct ReaderLimits: Codable, Sendable, Equatable {
    public var memoryBytes = 1 << 30
    /// CPU time that a file may take, in seconds: a constant part, and a part for each megabyte of its size.
    public var seconds = 30
    public var secondsPerMegabyte = 1.0
    /// Time without output after which the process is considered hung, in seconds; at least twice its CPU time.
    public var idleSeconds = 60

    public init() {}

    /// CPU time for a file of this size, in seconds.
    public func seconds(forBytes bytes: Int) -> Int {
        seconds + Int(secondsPerMegabyte * Double(max(0, bytes)) / 1e6)
    }
}

/// What `kantaibert-read` reports when it is done.
public enum ReaderAnswer: Codable, Sendable {
    case read(ReadingReport)
    case rejected(reason: String)
    /// The disk is full, which is not the file's fault.
    case noSpace
}
