import Durable
import FoundationEssentials
import Glibc
import Interface
import Logging
import Synchronization
import Varlink
import WebClient

/// A web server in this process that listens on a Unix socket and uses a function as its service.
final class WebUnderFuzz: Sendable {
    static let shared = WebUnderFuzz("web")
    /// Only for uploads, because targets may run concurrently and each counts the files in the inbox.
    static let withUploads = WebUnderFuzz("web-uploads")
    /// A separate server whose service returns arbitrary replies.
    static let withFaultyService = WebUnderFuzz("web-mad")

    private let socketPath: String
    private let inbox: String
    private let token = AccessToken()
    /// The replies of the service, or nil for regular replies.
    private let replies = Mutex<[[UInt8]]?>(nil)

    private init(_ name: String) {
        socketPath = "\(FuzzTarget.folder)/\(name)"
        inbox = "\(FuzzTarget.folder)/\(name)-inbox"
        let listening = Self.listen(socketPath)
        do { try FileManager.default.createDirectory(atPath: inbox, withIntermediateDirectories: true) } catch {
            fatalError("\(error)")
        }
        var limits = HTTPLimits()
        limits.idle = .seconds(5)
        let options = WebServer.Options(
            sockets: .descriptors([listening]), socket: ServiceSocket(path: ""),
            inbox: Inbox(path: inbox, limit: 32 << 10, reserve: 0),
            token: token)
        let client = ServiceClient { [weak self] call in
            if call.starts(with: Array(#"{"method":"io.kantaibert.Manager.Watch""#.utf8)) {
                try await Task.sleep(for: .seconds(86_400))
            }
            if let replies = self?.replies.withLock({ $0 }) { return replies }
            return [try Self.reply(to: call)]
        }
        let server = WebServer(
            options: options, limits: limits, client: client,
            logger: Logger(label: "fuzz") { _ in SwiftLogNoOpLogHandler() }
        ) { _ in }
        Task { try await server.run(until: []) }
    }

    private static func listen(_ path: String) -> Int32 {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        unlink(path)
        guard withAddress(path, { bind(descriptor, $0, $1) }) == 0, Glibc.listen(descriptor, 64) == 0 else {
            fatalError("cannot listen on \(path): \(errno)")
        }
        return descriptor
    }

    private static func withAddress(
        _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    /// Returns the reply of a well-behaved service.
    private static func reply(to call: [UInt8]) throws -> [UInt8] {
        let receipt = InferenceInterface.Provenance(
            model: "assistant", generation: 1, modelSha256: "0123456789abcdef", seed: 7)
        let model = ManagerInterface.Model(name: "assistant", objective: .clm, generation: 1, state: .idle)
        func reply(_ value: some Encodable) throws -> [UInt8] { Array(try VarlinkCoding.encodeReply(value)) }
        switch try VarlinkCoding.decodeCall(call).method {
        case InferenceInterface.Generate.name:
            return try reply(
                InferenceInterface.Generate.Reply(
                    text: " b", finishReason: .end, promptTokens: 1, generatedTokens: 1, receipt: receipt,
                    model: "assistant",
                    tokens: [
                        .init(id: 5, token: "a", offset: 0),
                        .init(
                            id: 6, token: " b", offset: 1, logProbability: -0.5,
                            top: [.init(id: 7, token: " c", logProbability: -0.25)]),
                    ]))
        case InferenceInterface.Chat.name:
            return try reply(
                InferenceInterface.Chat.Reply(
                    text: "b", finishReason: .end, promptTokens: 4, generatedTokens: 1, receipt: receipt,
                    model: "assistant", tokens: [.init(id: 5, token: "b", offset: 0, logProbability: -0.5)],
                    omittedMessages: 1))
        case InferenceInterface.Embed.name:
            let parameters = try VarlinkCoding.decodeParameters(InferenceInterface.Embed.Parameters.self, of: call)
            return try reply(
                InferenceInterface.Embed.Reply(
                    embeddings: parameters.texts.map { _ in .init(embedding: [0.5, -1e-9], tokens: 3) },
                    receipt: receipt))
        case InferenceInterface.FillMask.name:
            return try reply(InferenceInterface.FillMask.Reply(masks: [.init(fillings: [])], receipt: receipt))
        case InferenceInterface.Score.name:
            return try reply(
                InferenceInterface.Score.Reply(logLikelihood: -1, tokens: 1, bitsPerByte: 1, receipt: receipt))
        case InferenceInterface.Similar.name:
            return try reply(
                InferenceInterface.Similar.Reply(
                    byEmbedding: [], byWords: [], passages: 0, isSample: false, isCut: false,
                    searched: .init(corpora: 1, bytes: 1, removed: 0, omitted: 0, complete: true), receipt: receipt))
        case InferenceInterface.Trace.name:
            return try reply(
                InferenceInterface.Trace.Reply(
                    spans: [.init(offset: 0, length: 1, words: 1, count: 1, passages: [])], words: 1, verbatimWords: 1,
                    omittedSpans: 0, searched: .init(corpora: 1, bytes: 1, removed: 0, omitted: 0, complete: true),
                    receipt: receipt))
        case InferenceInterface.Find.name:
            return try reply(
                InferenceInterface.Find.Reply(
                    passages: [], total: 0, counts: [],
                    searched: .init(corpora: 1, bytes: 1, removed: 0, omitted: 0, complete: true), receipt: receipt))
        case ManagerInterface.GetStatus.name:
            return try reply(
                ManagerInterface.GetStatus.Reply(
                    version: "1", uptimeSeconds: 1, models: [model], queued: [], inboxPending: 0, resources: [:]))
        case ManagerInterface.ListModels.name: return try reply(ManagerInterface.ListModels.Reply(models: [model]))
        case ManagerInterface.ListRuns.name: return try reply(ManagerInterface.ListRuns.Reply(runs: []))
        case ManagerInterface.ListCorpora.name: return try reply(ManagerInterface.ListCorpora.Reply(corpora: []))
        case ManagerInterface.ListGenerations.name:
            return try reply(ManagerInterface.ListGenerations.Reply(generations: []))
        case ManagerInterface.GetMetrics.name:
            return try reply(ManagerInterface.GetMetrics.Reply(steps: [], evaluations: []))
        case ManagerInterface.DescribeRun.name:
            return try reply(
                ManagerInterface.DescribeRun.Reply(corpora: [], corporaCount: 0, corporaBytes: 0))
        case ManagerInterface.PreviewCorpus.name:
            return try reply(ManagerInterface.PreviewCorpus.Reply(text: "a", bytes: 1))
        // There is no socket: an error, as if another call had used it.
        case ManagerInterface.Export.name: return try reply(ManagerInterface.Export.Reply(generation: 1, files: []))
        case ManagerInterface.PlanTraining.name: return try reply(ManagerInterface.PlanTraining.Reply(plans: []))
        case ManagerInterface.Train.name: return try reply(ManagerInterface.Train.Reply(runs: ["assistant-1"]))
        case ManagerInterface.GetSettings.name: return try reply(ManagerInterface.GetSettings.Reply(settings: []))
        case ManagerInterface.Pause.name: return try reply(ManagerInterface.Pause.Reply(models: []))
        case ManagerInterface.Resume.name: return try reply(ManagerInterface.Resume.Reply(models: []))
        default: return try reply(VarlinkNothing())
        }
    }

    /// Runs `body` while the service returns the given replies.
    func answering<Result>(_ messages: [[UInt8]], _ body: () -> Result) -> Result {
        replies.withLock { $0 = messages }
        defer { replies.withLock { $0 = nil } }
        return body()
    }

    func post(_ target: String, type: String, _ body: [UInt8]) -> HTTPAnswerUnderFuzz {
        ask("POST \(target)", type: type, body)
    }

    func ask(_ route: Route, _ target: String, _ body: [UInt8]) -> HTTPAnswerUnderFuzz {
        ask("\(route.method.rawValue) \(target)", type: "application/json", body)
    }

    /// Sends a well-formed request and returns its response.
    func ask(_ line: String, type: String, _ body: [UInt8]) -> HTTPAnswerUnderFuzz {
        let head = """
            \(line) HTTP/1.1\r\nHost: localhost\r\nContent-Type: \(type)\r\nAuthorization: Bearer \(token.text)\r\nConnection: close\r
            Content-Length: \(body.count)\r\n\r\n
            """
        let bytes = exchange(Array(head.utf8) + body, hangsUp: false)
        guard let answer = HTTPAnswerUnderFuzz(bytes) else { fatalError("no response to \(line)") }
        return answer
    }

    /// Sends bytes and returns everything received until the server closes the connection.
    /// - Parameter hangsUp: whether to shut down the sending side if nothing arrives for a moment
    func exchange(_ bytes: [UInt8], hangsUp: Bool) -> [UInt8] {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        guard Self.withAddress(socketPath, { connect(descriptor, $0, $1) }) == 0 else {
            fatalError("cannot connect to the server: \(errno)")
        }
        var rest = bytes[...]
        while !rest.isEmpty {
            let sent = rest.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            // The server may respond and close the connection before it has read everything.
            guard sent > 0 else { break }
            rest = rest.dropFirst(sent)
        }
        var answer: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        var isOpen = hangsUp
        while true {
            var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            // If the server neither responds nor closes, the time limits of libFuzzer and the test apply.
            if poll(&wanted, 1, isOpen ? 20 : -1) == 0 {
                shutdown(descriptor, Int32(SHUT_WR))
                isOpen = false
                continue
            }
            let count = recv(descriptor, &piece, piece.count, 0)
            guard count > 0 else { return answer }
            answer += piece[..<count]
        }
    }

    /// Returns and removes the files in the inbox and its directories.
    func takeFiles() -> [(name: String, bytes: [UInt8])] {
        do {
            var files: [(name: String, bytes: [UInt8])] = []
            for name in try FileManager.default.contentsOfDirectory(atPath: inbox) {
                let path = "\(inbox)/\(name)"
                var status = stat()
                guard lstat(path, &status) == 0 else { continue }
                if status.st_mode & S_IFMT == S_IFDIR {
                    expect(name == "assistant", "unexpected directory \(name.debugDescription)")
                    for inner in try FileManager.default.contentsOfDirectory(atPath: path) {
                        files.append(("\(name)/\(inner)", try Durable.read("\(path)/\(inner)")))
                    }
                } else {
                    files.append((name, try Durable.read(path)))
                }
                try Durable.removeTree(path)
            }
            for file in files {
                let last = file.name.split(separator: "/").last ?? ""
                expect(!last.hasPrefix("."), "unexpected hidden file \(file.name.debugDescription)")
            }
            return files
        } catch { fatalError("\(error)") }
    }
}

/// The first response received on a connection.
struct HTTPAnswerUnderFuzz {
    let status: Int
    let headers: String
    /// The body with the chunked encoding removed.
    let body: String

    init?(_ bytes: [UInt8]) {
        let text = String(decoding: bytes, as: UTF8.self)
        guard let end = bytes.firstRange(of: Array("\r\n\r\n".utf8)) else { return nil }
        let head = String(decoding: bytes[..<end.lowerBound], as: UTF8.self)
        let words = head.split(separator: " ", maxSplits: 2)
        guard text.hasPrefix("HTTP/1.1 "), words.count >= 2, let status = Int(words[1].prefix(3)) else { return nil }
        self.status = status
        headers = head.lowercased()
        let rest = bytes[end.upperBound...]
        guard headers.contains("transfer-encoding: chunked") else {
            body = String(decoding: rest, as: UTF8.self)
            return
        }
        var chunks: [UInt8] = []
        var left = rest
        while let line = left.firstIndex(of: UInt8(ascii: "\r")),
            let size = Int(String(decoding: left[..<line], as: UTF8.self), radix: 16), size > 0, left.count >= size + 2
        {
            let start = line + 2
            guard start + size + 2 <= left.endIndex else { break }
            chunks += left[start..<start + size]
            left = left[(start + size + 2)...]
        }
        body = String(decoding: chunks, as: UTF8.self)
    }
}
