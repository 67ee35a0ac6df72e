/// Exchanges messages between the processes that train one model together, which MPI calls ranks.
///
/// All ranks call `exchange` with messages that fit together: for each one that is sent, the receiving rank expects one of
/// the same size. Messages from one rank to another arrive in the order in which they were sent. Not safe for concurrent
/// use; an MPI library also requires that all calls come from the thread that started it.
public protocol Communicator: AnyObject {
    /// The number of this process, from 0.
    var rank: Int { get }
    /// The number of processes.
    var size: Int { get }
    /// Name and version of the implementation.
    var library: String { get }

    /// Sends and receives all messages, and returns when all of them are done.
    /// - Parameter silenceSeconds: how long nothing may be sent or received before the exchange fails
    /// - Throws: `CommunicationError`; no further exchange is possible then
    func exchange(_ messages: [Message], silenceSeconds: Double) throws(CommunicationError)

    /// Ends the processes of all ranks, this one included if it is a process of its own.
    func abort(status: Int32)

    /// Ends the communication in good order. All ranks call it.
    func end()
}

/// A message to or from another rank. Its memory must remain valid until the exchange returns.
public struct Message {
    public enum Content {
        case sent(UnsafeRawBufferPointer)
        case received(UnsafeMutableRawBufferPointer)
    }

    public var peer: Int
    public var content: Content

    public static func send(_ bytes: UnsafeRawBufferPointer, to peer: Int) -> Message {
        Message(peer: peer, content: .sent(bytes))
    }

    public static func receive(_ bytes: UnsafeMutableRawBufferPointer, from peer: Int) -> Message {
        Message(peer: peer, content: .received(bytes))
    }

    public var byteCount: Int {
        switch content {
        case .sent(let bytes): bytes.count
        case .received(let bytes): bytes.count
        }
    }
}

/// The reason ranks cannot communicate.
public enum CommunicationError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The plugin for the MPI implementation that started this process cannot be loaded.
    case noPlugin(launcher: Launcher, path: String, reason: String)
    /// The plugin belongs to another version of this program.
    case otherPlugin(path: String, interface: Int, expected: Int)
    /// The library found another number of ranks than the launcher started.
    case wrongSize(launcher: Launcher, started: Int, found: Int, library: String)
    /// A variable of the environment has a value that no launcher sets.
    case environment(variable: String, expected: String, found: String)
    /// Nothing was sent or received for this long.
    case silent(rank: Int, seconds: Double)
    /// A call of the library failed.
    case failed(rank: Int, reason: String)
    /// A message that no rank of this program sends.
    case malformed(rank: Int, reason: String)

    public var description: String {
        switch self {
        case .noPlugin(let launcher, let path, let reason):
            """
            started by a launcher of \(launcher.name), but \(path) cannot be loaded: \(reason): install \
            \(launcher.package) and run ‘make mpi’, or unset \(launcher.variable) to train with this process alone
            """
        case .otherPlugin(let path, let interface, let expected):
            "\(path) has interface \(interface), expected \(expected): run ‘make mpi’ for this version"
        case .wrongSize(let launcher, let started, let found, let library):
            """
            the launcher started \(started) ranks, but \(library) finds \(found): the launcher is not the one of \
            \(launcher.name); set KANTAIBERT_MPI to the implementation that it belongs to
            """
        case .environment(let variable, let expected, let found):
            "\(variable): expected \(expected), found ‘\(found)’"
        case .silent(let rank, let seconds): "rank \(rank) sent and received nothing for \(Int(seconds.rounded())) s"
        case .failed(let rank, let reason): "communication with rank \(rank) failed: \(reason)"
        case .malformed(let rank, let reason): "rank \(rank) sent \(reason)"
        }
    }
}

/// The only process of a run.
public final class SingleProcess: Communicator {
    public let rank = 0
    public let size = 1
    public let library = "one process"

    public init() {}

    public func exchange(_ messages: [Message], silenceSeconds: Double) throws(CommunicationError) {
        precondition(messages.isEmpty, "there is no other rank")
    }

    public func abort(status: Int32) {}
    public func end() {}
}
