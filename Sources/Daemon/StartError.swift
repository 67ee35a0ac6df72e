import Durable
import Glibc

/// The service cannot begin.
public enum StartError: Error, CustomStringConvertible {
    /// Another service works on the same state directory.
    case inUse(DurableError)
    /// The state directory cannot be made or written.
    case stateDirectory(DurableError)
    /// The state directory is on another machine.
    case networkFileSystem(path: String, type: String)

    /// As of `sysexits.h`.
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
            "the state directory \(path) is on a network file system (\(type)), over which SQLite's locks and shared memory do "
                + "not hold, so that the database would be damaged: choose a directory on a disk of this machine "
                + "(--state-dir, or a mount below /var/lib); texts may come from the network into its inbox"
        }
    }
}
