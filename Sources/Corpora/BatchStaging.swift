import Durable
import Synchronization
import TextReading

/// Reads the files of one batch into temporary files of the store, several at a time.
///
/// Files are begun in their order, and every one that was begun is finished. What was read is therefore the beginning of
/// the batch, and its order does not depend on the threads.
final class BatchStaging: Sendable {
    private struct Progress {
        /// Index of the file that is begun next.
        var next = 0
        /// Bytes of text of the files that were begun, as far as they are known.
        var bytes = 0
        /// No further file is begun.
        var isComplete = false
        var results: [Result<CorpusStore.Staged, DurableError>?]
    }

    private let files: [(file: InboxFile, options: ReadingOptions)]
    private let store: CorpusStore
    private let reserve: Int
    private let limits: BatchLimits
    private let isCancelled: @Sendable () -> Bool
    private let room: BatchRoom
    private let began = ContinuousClock.now
    private let progress: Mutex<Progress>

    private static let mostThreads = 4

    init(
        of files: [(file: InboxFile, options: ReadingOptions)], in store: CorpusStore, reserve: Int,
        limits: BatchLimits,
        isCancelled: @escaping @Sendable () -> Bool
    ) {
        self.files = files
        self.store = store
        self.reserve = reserve
        self.limits = limits
        self.isCancelled = isCancelled
        room = BatchRoom(in: store.directory, reserve: reserve)
        progress = Mutex(Progress(results: Array(repeating: nil, count: files.count)))
    }

    /// Reads files until the batch is complete.
    /// - Returns: the first files of the batch in their order, at least one, unless the batch is empty
    /// - Throws: `DurableError` if the first file cannot be stored
    func staged() throws(DurableError) -> [CorpusStore.Staged] {
        FileThreads.run(most: Self.mostThreads, files: files.count) { self.read() }
        var staged: [CorpusStore.Staged] = []
        for result in progress.withLock({ $0.results }) {
            switch result {
            case nil, .success(.left): return staged
            case .success(let one):
                staged.append(one)
                if case .settled(.interrupted) = one { return staged }
            case .failure(let error):
                guard !staged.isEmpty else { throw error }
                return staged
            }
        }
        return staged
    }

    /// Reads one file after the other, on one of the threads.
    private func read() {
        // Opened once for the files of a directory: a batch takes half a second.
        var opened: (path: String, folder: OpenFolder)?
        while let index = beginNext() {
            let (file, options) = files[index]
            let path = file.folderPath
            if opened?.path != path {
                opened = nil
                opened = file.openFolder().map { (path, $0) }
            }
            guard let folder = opened?.folder else {
                finish(index, .success(.settled(CorpusStore.unreadable())))
                continue
            }
            finish(
                index,
                Result { () throws(DurableError) in
                    try store.stage(
                        file, in: folder, options, reserve: reserve, room: room,
                        isOver: { index > 0 && self.isOver }, isCancelled: isCancelled)
                })
        }
    }

    private var isOver: Bool { progress.withLock(\.isComplete) || .now - began >= limits.time }

    /// Returns the index of the next file to read, or nil if the batch is complete.
    private func beginNext() -> Int? {
        progress.withLock { progress in
            guard !progress.isComplete, progress.next < files.count else { return nil }
            let index = progress.next
            let bytes = files[index].file.signature.bytes
            let isLarge = bytes > limits.bytesOfFile
            if index > 0, isLarge || progress.bytes >= limits.bytes || .now - began >= limits.time {
                progress.isComplete = true
                return nil
            }
            // A large file is a batch of its own.
            progress.isComplete = isLarge
            progress.next = index + 1
            progress.bytes += bytes
            return index
        }
    }

    private func finish(_ index: Int, _ result: Result<CorpusStore.Staged, DurableError>) {
        if case .success(.copied(_, let copy)) = result { copy.seal() }
        progress.withLock { progress in
            progress.results[index] = result
            switch result {
            case .success(.copied(let stored, _)):
                progress.bytes += max(0, stored.bytes - files[index].file.signature.bytes)
            case .success(.settled(.interrupted)), .success(.left), .failure: progress.isComplete = true
            case .success(.settled): break
            }
        }
    }
}
