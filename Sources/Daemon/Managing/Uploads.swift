import AsyncSupport
import Durable
import Fairness
import Glibc
import Interface
import Settings
import Synchronization
import TextReading
import Varlink
import VarlinkServer

/// Implements `Put`: files that a member sends over a socket are added to the inbox.
struct Uploads: Sendable {
    /// Maximum number of files of one call.
    static let mostFiles = 64
    /// Maximum number of concurrent calls, and of a single user.
    static let most = 8
    static let mostOfUser = 2
    /// Interval between replies while files are read, which also finds files that were removed before they were read.
    static let interval = Duration.seconds(5)

    let directory: StateDirectory
    let transfers: Transfers
    let outcomes: InboxOutcomes
    private let places = Places()

    private final class Places: Sendable {
        let share = Mutex(FairShare<UInt32>(limit: Uploads.most, limitOfUser: Uploads.mostOfUser))
    }

    init(directory: StateDirectory, transfers: Transfers, outcomes: InboxOutcomes) {
        self.directory = directory
        self.transfers = transfers
        self.outcomes = outcomes
    }

    /// Removes what a killed process has left of incomplete files.
    func clearLeftovers() { _ = try? SharedFolder(directory.inbox).clearLeftovers() }

    /// - Parameter model: the name of a model, or nil for all
    func put(
        _ parameters: ManagerInterface.Put.Parameters, into model: String?, _ settings: Settings,
        _ context: CallContext,
        _ writer: ReplyWriter<ManagerInterface.Put.Reply>
    ) async throws {
        guard context.more else { throw VarlinkServiceError.expectedMore }
        let uploads = try Self.checked(parameters.files, largest: settings.inbox.reading.maxFileBytes)
        let reserve = try settings.retention.reserve(at: directory.inbox)
        let (events, continuation) = AsyncStream.makeStream(of: Event.self)
        let expected = Mutex<[InboxOutcomes.FileID]>([])
        defer { outcomes.forget(expected.withLock { $0 }) }
        do {
            let published = try await receive(uploads, from: context.peer.uid, into: model, reserve, writer) {
                index, file in
                expected.withLock { $0.append(file) }
                outcomes.expect(file) { continuation.yield(.outcome(index, $0)) }
            }
            guard parameters.wait == true else { return try await writer.finish(.init()) }
            try await wait(for: published, in: model, events, continuation, writer)
        } catch let error as DurableError {
            throw ManagerInterface.PutRefused(reason: error.description)
        }
        try await writer.finish(.init())
    }

    /// - Returns: the safe names and sizes of the files
    /// - Throws: `PutRefused`
    static func checked(
        _ files: [ManagerInterface.Upload], largest: Int
    ) throws(ManagerInterface.PutRefused) -> [(name: String, bytes: Int)] {
        guard !files.isEmpty else { throw .init(reason: "there are no files") }
        guard files.count <= mostFiles else {
            throw .init(reason: "there are \(files.count) files; a call adds at most \(mostFiles)")
        }
        var uploads: [(name: String, bytes: Int)] = []
        for file in files {
            let shown = file.name.bounded(toBytes: 200)
            guard let name = IncomingFile.safeName(file.name) else {
                throw .init(reason: "‘\(shown)’ is not a valid file name")
            }
            if let sidecar = Sidecar.kind(ofName: name) { throw .init(reason: "\(name) \(sidecar.reason)") }
            guard (0...largest).contains(file.bytes) else {
                throw .init(
                    reason: "\(name) has \(file.bytes) bytes; a file has at most \(largest) (inbox.max_file_bytes)")
            }
            uploads.append((name, file.bytes))
        }
        return uploads
    }

    private func receive(
        _ uploads: [(name: String, bytes: Int)], from user: UInt32, into model: String?, _ reserve: Int,
        _ writer: ReplyWriter<ManagerInterface.Put.Reply>,
        willPublish: @escaping @Sendable (Int, InboxOutcomes.FileID) -> Void
    ) async throws -> [UploadReceiver.Published] {
        if let refusal = places.share.withLock({ $0.take(for: user) }) {
            throw ManagerInterface.TooManyTransfers(limit: refusal == .limit ? Self.most : Self.mostOfUser)
        }
        defer { places.share.withLock { $0.give(for: user) } }
        // Cannot overflow: at most 64 sizes, each at most that of a file.
        let total = uploads.reduce(0) { sum, upload in
            let (bytes, isTooLarge) = sum.addingReportingOverflow(upload.bytes)
            return isTooLarge ? .max / 2 : bytes
        }
        try FreeSpace.require(total, at: directory.inbox, reserve: reserve)
        let folder = try folder(of: model)
        let connection = try await transfers.connection(from: user) { try await writer.send(.init(transfer: $0)) }
        let receiver = UploadReceiver(
            uploads, from: connection, of: user, into: folder, reserve: reserve,
            patience: Transfers.patience, willPublish: willPublish)
        var published: [UploadReceiver.Published] = []
        while !receiver.isDone {
            guard !outcomes.isFinished else {
                throw ManagerInterface.TransferFailed(reason: "the service is stopping")
            }
            guard let file = try await Transfers.queue.runCancellable({ try receiver.step($0) }) else {
                try await writer.send(.init(bytes: receiver.received))
                continue
            }
            published.append(file)
            try await writer.send(
                .init(
                    bytes: receiver.received,
                    file: .init(index: file.index, name: Self.shown(file.name, of: model), state: .received)))
        }
        return published
    }

    private static func shown(_ name: String, of model: String?) -> String { model.map { "\($0)/\(name)" } ?? name }

    /// Opens the inbox or that of a model. A member may have put something else in its place.
    private func folder(of model: String?) throws -> SharedFolder {
        let inbox = try SharedFolder(directory.inbox)
        guard let model else { return inbox }
        guard let folder = inbox.existing(model) else {
            throw DurableError(
                operation: "open", path: directory.inbox(of: model), errno: errno,
                hint: "it must be a folder and not a link")
        }
        return folder
    }
}

extension Uploads {
    private enum Event: Sendable {
        case outcome(Int, InboxOutcomes.Outcome)
        case interval
    }

    /// Reports the outcome of each file, until all are known or the service stops.
    private func wait(
        for published: [UploadReceiver.Published], in model: String?, _ events: AsyncStream<Event>,
        _ continuation: AsyncStream<Event>.Continuation, _ writer: ReplyWriter<ManagerInterface.Put.Reply>
    ) async throws {
        let end = outcomes.whenFinished { continuation.finish() }
        defer { outcomes.forgetEnd(end) }
        let ticks = Task {
            while (try? await Task.sleep(for: Self.interval)) != nil { continuation.yield(.interval) }
        }
        defer { ticks.cancel() }
        let folder = try folder(of: model)
        var left = Dictionary(uniqueKeysWithValues: published.map { ($0.index, $0) })
        // Files that did not exist at the last interval. An outcome may be under way at the first one.
        var missing: Set<Int> = []
        for await event in events {
            switch event {
            case .outcome(let index, let outcome):
                guard let file = left.removeValue(forKey: index) else { continue }
                try await writer.send(
                    .init(file: .init(index: index, name: Self.shown(file.name, of: model), outcome)))
            case .interval:
                try await writer.send(.init())
                let gone = Set(left.values.filter { !folder.contains($0.name) }.map(\.index))
                for index in gone.intersection(missing) {
                    guard let file = left.removeValue(forKey: index) else { continue }
                    try await writer.send(
                        .init(
                            file: .init(
                                index: index, name: Self.shown(file.name, of: model), state: .rejected,
                                reason: "it was removed from the inbox before it was read")))
                }
                missing = gone
            }
            if left.isEmpty { return }
        }
    }
}

extension ManagerInterface.Received {
    fileprivate init(index: Int, name: String, _ outcome: InboxOutcomes.Outcome) {
        switch outcome {
        case .admitted(let sha256, let isDuplicate, let warnings):
            self.init(
                index: index, name: name, state: isDuplicate ? .duplicate : .admitted, sha256: sha256,
                warnings: warnings.isEmpty ? nil : warnings)
        case .rejected(let reason): self.init(index: index, name: name, state: .rejected, reason: reason)
        case .waiting(let reason): self.init(index: index, name: name, state: .waiting, reason: reason)
        }
    }
}
