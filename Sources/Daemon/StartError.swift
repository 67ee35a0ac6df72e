import Durable
import Glibc

/// The service cannot begin.
public enum StartError: Error, CustomStringConvertible {
    /// Another service works on the same state directory.
    case inUse(DurableError)
    /// The state directory cannot be made or written.
    case stateDirectory(DurableError)

    /// As of `sysexits.h`.
    public var status: Int32 {
        switch self {
        case .inUse: EX_TEMPFAIL
        case .stateDirectory: EX_CANTCREAT
        }
    }

    public var description: String {
        switch self {
        case .inUse(let error): "another kantaibertd uses this state directory: \(error)"
        case .stateDirectory(let error): "the state directory cannot be used: \(error)"
        }
    }
}
