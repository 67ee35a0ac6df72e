import Durable
import Glibc

/// Why the service cannot start.
public enum StartError: Error, CustomStringConvertible {
    /// Another service uses the same state directory.
    case inUse(DurableError)
    /// The state directory cannot be created or written.
    case stateDirectory(DurableError)
    /// The state directory is on a network file system.
    case networkFileSystem(path: String, type: String)

    /// Exit status, as in `sysexits.h`.
    public var status: Int32 {
        switch self {
        case .inUse: EX_TEMPFAIL
        case .stateDirectory: EX_CANTCREAT
        case .networkFileSystem: EX_CONFIG
        }
    }

    public var description: String {
        switch self {
        case .inUse(let error): "another kantaibertd uses this state directory: \(error)"
        case .stateDirectory(let error): "the state directory cannot be used: \(error)"
        case .networkFileSystem(let path, let type):
            "the state directory \(path) is on a network file system (\(type)). SQLite's locks and shared memory do not work "
                + "there, and the database would be corrupted: choose a directory on a local disk "
                + "(--state-dir, or a mount below /var/lib). Files may be copied into its inbox over the network"
        }
    }
}
