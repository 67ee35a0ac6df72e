import ArgumentParser
import Dispatch
import Foundation
import Glibc
import Interface
import Synchronization
import Varlink

/// A separate process with hostile clients; if started by root, it runs as a different user.
final class HostileClients {
    /// The user `nobody`.
    static let user: uid_t = 65534
    static var hasOtherUser: Bool { geteuid() == 0 }

    private let process = Process()
    var isRunning: Bool { process.isRunning }

    static func start(socket: String, calls: Int) throws -> HostileClients {
        let clients = HostileClients()
        clients.process.executableURL = try SoakedService.ownProgram
        clients.process.arguments = ["hostile-clients", "--socket", socket, "--calls", "\(calls)"]
        clients.process.standardInput = FileHandle.nullDevice
        try clients.process.run()
        return clients
    }

    func wait() throws {
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw SoakError(description: "the hostile clients failed") }
    }
}

/// The command that runs in the process of `HostileClients`.
struct HostileClientsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hostile-clients", abstract: "Send expensive requests and hang up.", shouldDisplay: false)

    @Option(help: "The service's socket.") var socket: String
    @Option(help: "Number of calls.") var calls = 300
    @Option(help: "Number of concurrent clients.") var clients = 100

    func run() throws {
        signal(SIGPIPE, SIG_IGN)
        if geteuid() == 0 {
            guard setgroups(0, nil) == 0, setgid(HostileClients.user) == 0, setuid(HostileClients.user) == 0 else {
                throw SoakError(description: "cannot change the user: \(String(cString: strerror(errno)))")
            }
        }
        let next = Atomic(0)
        let tally = Mutex<[String: Int]>([:])
        let group = DispatchGroup()
        for client in 0..<min(clients, calls) {
            DispatchQueue(label: "client \(client)").async(group: group) {
                while true {
                    let number = next.wrappingAdd(1, ordering: .relaxed).oldValue
                    guard number < calls else { return }
                    let kind = HostileCall.allCases[number % HostileCall.allCases.count]
                    let outcome = kind.make(socket, number)
                    tally.withLock { $0["\(kind.rawValue): \(outcome)", default: 0] += 1 }
                }
            }
        }
        group.wait()
        print(try jsonLine(HostileTally(calls: calls, user: Int(geteuid()), outcomes: tally.withLock { $0 })))
    }
}

private struct HostileTally: Encodable {
    let bench = "hostile clients"
    let calls: Int
    let user: Int
    let outcomes: [String: Int]
}

/// A kind of call that costs the service more than the client.
private enum HostileCall: String, CaseIterable {
    case doctor, score, half, endless, deaf, tensor, masks, manyMasks, generate, lists, tokenize

    private static let words = String(repeating: "the pure reason of all things is a law ", count: 25_000)

    /// Makes the call.
    /// - Returns: its outcome, as one word
    func make(_ socket: String, _ number: Int) -> String {
        do {
            try ask(socket, number)
            return "done"
        } catch let error as any VarlinkErrorReply {
            return String(type(of: error).name.split(separator: ".").last ?? "")
        } catch VarlinkClientError.closed {
            return "closed"
        } catch {
            return "failed"
        }
    }

    private func ask(_ socket: String, _ number: Int) throws {
        let errors = InferenceInterface.errors + ManagerInterface.errors
        let client = try VarlinkClient(path: socket, errors: errors)
        let patience = Duration.milliseconds(20 + 37 * (number % 50))
        switch self {
        case .doctor:
            // Starts several calls; all but the last are abandoned.
            for _ in 0..<10 {
                _ = try VarlinkClient(path: socket, errors: errors).callMore(ManagerInterface.Doctor.self, .init())
            }
            _ = try client.callMore(ManagerInterface.Doctor.self, .init()).wait(for: patience)
        case .score:
            _ = try client.callMore(InferenceInterface.Score.self, .init(text: Self.words)).wait(for: patience)
        case .half:
            let raw = try RawSocket(socket)
            raw.send([UInt8](repeating: 0x22, count: 3 << 20))
            usleep(500_000)
        case .endless:
            let raw = try RawSocket(socket)
            let piece = [UInt8](repeating: 0x5b, count: 64 << 10)
            while raw.send(piece) {}
        case .deaf:
            let raw = try RawSocket(socket)
            let call = #"{"method":"io.kantaibert.Manager.GetStatus"}"# + "\0"
            raw.send(Array(String(repeating: call, count: 500).utf8))
            usleep(500_000)
        case .tensor:
            let replies = try client.callMore(
                ManagerInterface.DescribeTensor.self,
                .init(model: "kantaibert", name: "roberta.embeddings.word_embeddings.weight"))
            _ = try replies.wait(for: patience)
        case .masks:
            let text = String(repeating: "the law is <mask> ", count: 60)
            _ = try client.call(InferenceInterface.FillMask.self, .init(text: text, topK: 40))
        case .manyMasks:
            _ = try client.call(
                InferenceInterface.FillMask.self, .init(text: String(repeating: "<mask> ", count: 4000), topK: 50_000))
        case .generate:
            let replies = try client.callMore(
                InferenceInterface.Generate.self,
                .init(prompt: String(Self.words.prefix(1200)), sampling: .init(maxNewTokens: 400, seed: number)))
            while try replies.wait(for: patience), try replies.next() != nil {}
        case .lists:
            for _ in 0..<20 {
                _ = try client.call(ManagerInterface.ListRuns.self, .init())
                _ = try client.call(ManagerInterface.ListCorpora.self, .init())
                _ = try client.call(ManagerInterface.GetStatus.self, .init())
            }
        case .tokenize:
            _ = try client.call(InferenceInterface.Tokenize.self, .init(text: Self.words))
        }
    }
}

/// A connection that sends raw bytes and never reads.
private final class RawSocket {
    private let descriptor: Int32

    init(_ path: String) throws {
        guard var address = UnixAddress.make(path) else { throw SoakError(description: "\(path) is too long") }
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard UnixAddress.with(&address, { connect(descriptor, $0, $1) }) == 0 else {
            throw VarlinkClientError.connect(path: path, errno: errno)
        }
        // Time out if the service stops reading.
        var patience = timeval(tv_sec: 2, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(descriptor) }

    /// Sends all bytes.
    /// - Returns: false if the peer does not accept them
    @discardableResult
    func send(_ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count <= 0 { return false }
            sent += count
        }
        return true
    }
}
