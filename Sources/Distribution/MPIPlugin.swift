import CMPIPlugin
import Glibc

/// Communication over an MPI library, which a plugin next to the program brings in. The program itself links none.
public final class MPIPlugin: Communicator {
    public let rank: Int
    public let size: Int
    public let library: String
    private let plugin: kb_mpi_plugin

    /// Loads the plugin and starts MPI, which waits for the other ranks.
    /// - Parameter folder: the folder of the plugins
    /// - Throws: `CommunicationError`
    public init(_ environment: LaunchEnvironment, folder: String) throws(CommunicationError) {
        let launcher = environment.launcher
        plugin = try Self.load(launcher, "\(folder)/\(launcher.pluginFile)")
        guard plugin.start() == Int32(KB_MPI_OK.rawValue) else {
            throw .failed(rank: 0, reason: Self.text(plugin.reason))
        }
        library = Self.text(plugin.library)
        rank = Int(plugin.rank())
        size = Int(plugin.size())
        let started = environment.size ?? size
        guard size == started, (1...LaunchEnvironment.mostRanks).contains(size), (0..<size).contains(rank) else {
            throw .wrongSize(launcher: launcher, started: started, found: size, library: library)
        }
    }

    private static func load(_ launcher: Launcher, _ path: String) throws(CommunicationError) -> kb_mpi_plugin {
        func unusable(_ reason: String) -> CommunicationError {
            .noPlugin(launcher: launcher, path: path, reason: reason)
        }
        // Open MPI loads components that use the symbols of its library.
        guard let handle = dlopen(path, RTLD_NOW | RTLD_GLOBAL) else {
            throw unusable(loaderMessage(path))
        }
        guard let symbol = dlsym(handle, KB_MPI_SYMBOL) else { throw unusable("it has no symbol \(KB_MPI_SYMBOL)") }
        guard let plugin = unsafeBitCast(symbol, to: (@convention(c) () -> UnsafePointer<kb_mpi_plugin>?).self)() else {
            throw unusable("it provides no functions")
        }
        let interface = plugin.pointee.interface
        guard interface == UInt32(KB_MPI_INTERFACE) else {
            throw .otherPlugin(path: path, interface: Int(interface), expected: Int(KB_MPI_INTERFACE))
        }
        return plugin.pointee
    }

    /// Returns the loader's last error without the path that it begins with.
    private static func loaderMessage(_ path: String) -> String {
        guard let message = dlerror() else { return "unknown error" }
        let text = String(cString: message)
        return text.hasPrefix("\(path): ") ? String(text.dropFirst(path.count + 2)) : text
    }

    private static func text(_ write: @convention(c) (UnsafeMutablePointer<CChar>?, Int) -> Void) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
            buffer.initialize(repeating: 0)
            write(buffer.baseAddress, buffer.count)
            return String(cString: buffer.baseAddress!)
        }
    }

    public func exchange(_ messages: [Message], silenceSeconds: Double) throws(CommunicationError) {
        let parts = messages.map { message in
            switch message.content {
            case .sent(let bytes):
                kb_mpi_message(
                    bytes: UnsafeMutableRawPointer(mutating: bytes.baseAddress), count: bytes.count,
                    peer: Int32(message.peer), is_received: 0)
            case .received(let bytes):
                kb_mpi_message(
                    bytes: bytes.baseAddress, count: bytes.count, peer: Int32(message.peer), is_received: 1)
            }
        }
        var unfinished = 0
        let status = plugin.exchange(parts, parts.count, silenceSeconds, &unfinished)
        let peer = parts.indices.contains(unfinished) ? Int(parts[unfinished].peer) : 0
        switch UInt32(bitPattern: status) {
        case KB_MPI_OK.rawValue: return
        case KB_MPI_SILENT.rawValue: throw .silent(rank: peer, seconds: silenceSeconds)
        default: throw .failed(rank: peer, reason: Self.text(plugin.reason))
        }
    }

    public func abort(status: Int32) { plugin.abort(status) }
    public func end() { plugin.end() }
}
