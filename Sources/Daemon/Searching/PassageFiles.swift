import AsyncSupport
import Dispatch
import Durable
import Events
import FoundationEssentials
import Glibc
import Datasets
import Inference
import Interface
import Jobs
import Settings
import Synchronization

/// The files of passages of generations that serve. A file is built when a question needs it, one at a time; the build goes on
/// when the client hangs up, because the next question needs the same file. It ends when a corpus is removed or the service
/// stops.
package final class PassageFiles: Sendable {
    /// What a generation's file is waiting for.
    enum Obstacle: Error {
        /// `bytes` of the text of `totalBytes` are embedded.
        case building(bytes: Int, totalBytes: Int)
        case failed(reason: String)
        case stopping
    }

    private struct Build {
        var directory: String
        var task: Task<Void, Never>?
        var done = 0
        var total: Int
        let end = Latch()
    }

    private struct State {
        /// By the directory of the generation.
        var open: [String: (file: PassageFile, lastUse: Int)] = [:]
        var uses = 0
        var build: Build?
        var failure: (directory: String, reason: String, until: ContinuousClock.Instant)?
        var isStopping = false
    }

    /// Size of the sample of all corpora of a generation in bytes.
    static let sampleBytes = 16 << 20
    /// Maximum number of files that stay mapped.
    private static let mostOpen = 4
    /// How long a failure, such as a full disk, is not tried again.
    private static let failureSeconds = 10
    /// Passages that are embedded together.
    private static let passagesPerStep = 32

    private let directory: StateDirectory
    private let live: ReloadableSettings
    private let journal: EventJournal
    private let state = Mutex(State())
    private let writing = DispatchQueue(label: "io.kantaibert.passages", qos: .utility)

    package init(directory: StateDirectory, settings: ReloadableSettings, journal: EventJournal) {
        self.directory = directory
        live = settings
        self.journal = journal
    }

    /// Removes the files with passages of a corpus that was removed; the next question builds them without it.
    package func remove(_ sha256: String) {
        state.withLock { state in
            state.build?.task?.cancel()
            state.open = state.open.filter { !$0.value.file.header.corpora.contains { $0.sha256 == sha256 } }
        }
        journal.attempt("embeddings of a removed corpus were not removed") {
            for model in try FileManager.default.contentsOfDirectory(atPath: directory.models) {
                for number in directory.generations(of: model) {
                    let path = Self.path(directory.generation(number, of: model))
                    guard access(path, F_OK) == 0 else { continue }
                    let header = try? PassageFile.header(path: path)
                    if header?.corpora.contains(where: { $0.sha256 == sha256 }) != false {
                        try Durable.removeTree(path)
                    }
                }
            }
        }
    }

    package func stop() {
        let build = state.withLock { state in
            state.isStopping = true
            return state.build
        }
        build?.task?.cancel()
    }

    func text(of corpus: CorpusIndexes.Corpus) -> String { "\(directory.corpus)/\(corpus.sha256)" }

    static func path(_ generation: String) -> String { "\(generation)/\(PassageFile.name)" }

    /// Returns the file of a generation. If it is missing, damaged or made of other corpora, begins to build it. Blocks on disk
    /// I/O.
    /// - Throws: `Obstacle`
    func open(_ model: ServingModel, _ corpora: [CorpusIndexes.Corpus]) throws(Obstacle) -> PassageFile {
        let folder = model.engine.directory
        let known = state.withLock { state -> PassageFile? in
            state.uses += 1
            state.open[folder]?.lastUse = state.uses
            return state.open[folder]?.file
        }
        if let known, isCurrent(known, model, corpora) { return known }
        let path = Self.path(folder)
        if access(path, F_OK) == 0 {
            do {
                let file = try PassageFile(path: path)
                if isCurrent(file, model, corpora) {
                    keep(file, of: folder)
                    return file
                }
            } catch {
                journal.report(
                    ServiceEvent(
                        .problem, "the embeddings of passages are computed again: \(error)", model: model.name))
            }
        }
        try begin(model, corpora)
    }

    /// Waits until nothing is being built.
    func wait(atMost duration: Duration) async {
        _ = await state.withLock { $0.build?.end }?.wait(atMost: duration)
    }

    private func isCurrent(_ file: PassageFile, _ model: ServingModel, _ corpora: [CorpusIndexes.Corpus]) -> Bool {
        file.header.modelSha256 == model.engine.modelSHA256 && file.header.dimension == model.engine.embeddingSize
            && file.header.corpora.map(\.sha256) == corpora.map(\.sha256)
    }

    private func keep(_ file: PassageFile, of folder: String) {
        state.withLock { state in
            state.open[folder] = nil
            if state.open.count >= Self.mostOpen,
                let oldest = state.open.min(by: { $0.value.lastUse < $1.value.lastUse })
            {
                state.open[oldest.key] = nil
            }
            state.open[folder] = (file, state.uses)
        }
    }

    private func begin(_ model: ServingModel, _ corpora: [CorpusIndexes.Corpus]) throws(Obstacle) -> Never {
        let total = min(Self.sampleBytes, corpora.reduce(0) { $0 + $1.bytes })
        let obstacle = state.withLock { state -> Obstacle in
            if state.isStopping { return .stopping }
            if let build = state.build {
                guard build.directory == model.engine.directory else { return .building(bytes: 0, totalBytes: total) }
                return .building(bytes: min(build.done, build.total), totalBytes: build.total)
            }
            if let failure = state.failure, failure.until > .now, failure.directory == model.engine.directory {
                return .failed(reason: failure.reason)
            }
            state.failure = nil
            state.build = Build(directory: model.engine.directory, total: total)
            state.build?.task = Task.detached(priority: .utility) { [self] in await build(model, corpora) }
            return .building(bytes: 0, totalBytes: total)
        }
        throw obstacle
    }

    private func build(_ model: ServingModel, _ corpora: [CorpusIndexes.Corpus]) async {
        var failure: String?
        do {
            try await write(model, corpora)
        } catch is CancellationError {
            // A corpus was removed, or the service is stopping.
        } catch {
            failure = "the passages of \(model.name) cannot be compared: \(error)"
        }
        if let failure { journal.report(ServiceEvent(.problem, failure, model: model.name)) }
        let end = state.withLock { state -> Latch? in
            if let failure {
                state.failure = (model.engine.directory, failure, .now + .seconds(Self.failureSeconds))
            }
            defer { state.build = nil }
            return state.build?.end
        }
        end?.open()
    }

    private func write(_ model: ServingModel, _ corpora: [CorpusIndexes.Corpus]) async throws {
        let dimension = model.engine.embeddingSize
        let total = max(1, corpora.reduce(0) { $0 + $1.bytes })
        let isLarge = total > Self.sampleBytes
        // A killed process may have left a file that it was writing.
        try TemporaryName.clearLeftovers(in: model.engine.directory)
        let scratch = try UnnamedFile(in: directory.root)
        let reserve = try live.current.retention.reserve(at: directory.root)
        var (parts, places) = ([] as [PassageFile.Corpus], [] as [PassageFile.Place])
        for corpus in corpora {
            // Each corpus has passages in proportion to its size, and as long as there is room, at least one.
            let share = isLarge ? Double(corpus.bytes) / Double(total) : 1
            let most = min(
                max(1, Int(Double(PassageFile.mostPassages) * share)), PassageFile.mostPassages - places.count)
            let bytes = max(4 << 10, Int(Double(Self.sampleBytes) * share))
            let found = try await Blocking.corpora.run(for: nil) { [self] flag in
                try CorpusPassages(
                    path: text(of: corpus), isStructured: corpus.isStructured, mostBytes: bytes,
                    mostPassages: max(0, most)
                ) { try flag.check() }
            }
            try FreeSpace.require(
                2 * PassageFile.bytes(passages: places.count + found.passages.count, dimension: dimension),
                at: directory.root, reserve: reserve)
            for start in stride(from: 0, to: found.passages.count, by: Self.passagesPerStep) {
                let step = found.passages[start..<min(found.passages.count, start + Self.passagesPerStep)]
                let embedded = try await model.engine.beginningEmbeddings(step.map(\.text))
                try await writing.run {
                    for (vector, _) in embedded {
                        try vector.map { Float16(min(max($0, -60_000), 60_000)) }.withUnsafeBytes {
                            try scratch.append($0)
                        }
                    }
                }
                let read = step.reduce(0) { $0 + $1.length }
                state.withLock { $0.build?.done += read }
            }
            places += found.passages.map { .init(offset: $0.offset, line: $0.line, length: $0.length) }
            parts.append(
                .init(sha256: corpus.sha256, passages: found.passages.count, isPartial: found.isPartial))
        }
        let header = PassageFile.Header(
            modelSha256: model.engine.modelSHA256, dimension: dimension, corpora: parts)
        try await writing.runCancellable { [places] flag in
            func vector(_ index: Int) throws -> [Float] {
                var row = [Float16](repeating: 0, count: dimension)
                try row.withUnsafeMutableBytes { try scratch.read(at: 2 * dimension * index, into: $0) }
                return row.map { Float($0) }
            }
            let samples = min(places.count, Whitening.mostSamples)
            var sampled: [Float] = []
            for sample in 0..<samples { sampled += try vector(sample * places.count / samples) }
            try PassageFile.write(
                to: Self.path(model.engine.directory), header, Whitening(of: sampled, dimension: dimension),
                places: places, check: { try flag.check() }, vector: vector)
            // A corpus may have been removed at the last moment.
            if flag.isCancelled { try Durable.removeTree(Self.path(model.engine.directory)) }
        }
    }
}
