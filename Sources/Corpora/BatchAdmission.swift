import CFiles
import Durable
import Glibc
import TextReading

/// Bounds on a batch of files that become durable together, so that a file is not delayed by many others.
package struct BatchLimits: Sendable {
    /// Maximum number of files.
    package var files = 1024
    /// Bytes of text after which the batch is complete.
    package var bytes = 64 << 20
    /// A file of more bytes than this is a batch of its own.
    package var bytesOfFile = 16 << 20
    /// Time spent reading after which the batch is complete.
    package var time = Duration.milliseconds(500)

    package init() {}

    package static let usual = BatchLimits()
}

extension CorpusStore {
    /// From this number of files on, one sync of the whole file system is cheaper than one of each file: a disk that
    /// forces its cache a hundred times per second does so once instead of once per file.
    static let fewFiles = 4
    /// Removing a file that was just synced may wait for the disk.
    private static let removingThreads = 8

    /// Copies files into the store and syncs them to disk together, as `admit` does with one file.
    ///
    /// The batch ends early at one of the `limits`, and before a file that cannot be stored unless it is the first one.
    /// The order of operations is: all copies are written, by several threads, then synced, then renamed, then the directory
    /// is synced.
    /// - Returns: the results of the first files of the batch, in their order, at least one
    /// - Throws: `DurableError` if the first file or the batch cannot be stored
    package func admit(
        _ batch: some Collection<(file: InboxFile, options: ReadingOptions)>, reserve: Int,
        limits: BatchLimits = .usual, isCancelled: @escaping @Sendable () -> Bool
    ) throws(DurableError) -> [AdmissionResult] {
        // The directory may have been removed since startup.
        if access(directory, F_OK) != 0 { try Durable.makeDirectory(directory) }
        // Opened before the copies are written: syncfs() reports errors that occurred since.
        guard let corpus = OpenFolder(directory, depth: 0) else {
            throw DurableError(operation: "open", path: directory, errno: errno)
        }
        let staging = BatchStaging(
            of: Array(batch.prefix(limits.files)), in: self, reserve: reserve, limits: limits, isCancelled: isCancelled)
        return try publish(try staging.staged(), in: corpus)
    }

    /// Makes the copies of a batch durable and gives them their names.
    private func publish(_ staged: [Staged], in corpus: OpenFolder) throws(DurableError) -> [AdmissionResult] {
        var results: [AdmissionResult] = []
        var new: [(stored: StoredCorpus, copy: AtomicFile, failureReason: String?)] = []
        var names: Set<String> = []
        for staged in staged {
            switch staged {
            case .left: preconditionFailure("a file that was not read is published")
            case .settled(let result): results.append(result)
            case .copied(let stored, _) where names.contains(stored.sha256): results.append(.duplicate(stored))
            case .copied(let stored, let copy):
                switch try look(at: stored.sha256, in: corpus) {
                case .genuine: results.append(.duplicate(stored))
                case .absent:
                    new.append((stored, copy, nil))
                    results.append(.admitted(stored))
                case .damaged(let failureReason):
                    new.append((stored, copy, failureReason))
                    results.append(.admitted(stored))
                }
                names.insert(stored.sha256)
            }
        }
        if new.count < CorpusStore.fewFiles {
            for (_, copy, _) in new { try copy.sync() }
        } else {
            guard syncfs(corpus.descriptor) == 0 else {
                throw DurableError(operation: "syncfs", path: directory, errno: errno)
            }
        }
        for (stored, copy, failureReason) in new {
            guard let failureReason else {
                try copy.move(to: stored.path)
                continue
            }
            let aside = try setAside(stored.sha256, in: corpus)
            try copy.move(to: stored.path)
            tell(
                .damagedCorpus(
                    sha256: stored.sha256, failureReason: failureReason, movedTo: "\(directory)/\(aside)"))
        }
        // Also for duplicates alone: the name of the first may not have been synced before a kill.
        if !names.isEmpty { try corpus.sync(path: directory) }
        return results
    }

    /// Removes admitted and recorded files from the inbox, except those that have changed since they were inspected.
    /// Each directory is synced once.
    /// - Returns: for each file, whether it was removed; a changed file will be offered again
    package func release(_ files: [InboxFile]) -> [Result<Bool, DurableError>] {
        var results = [Result<Bool, DurableError>](repeating: .success(false), count: files.count)
        for (_, indices) in Dictionary(grouping: files.indices, by: { files[$0].folderPath }) {
            guard let folder = files[indices[0]].openFolder() else { continue }
            let found = FileThreads.map(indices.map { files[$0] }, most: Self.removingThreads) { file in
                Result { () throws(DurableError) in try remove(file, from: folder) }
            }
            for (index, result) in zip(indices, found) { results[index] = result }
            let removed = indices.filter { if case .success(true) = results[$0] { true } else { false } }
            guard !removed.isEmpty else { continue }
            do throws(DurableError) {
                try folder.sync(path: RawPath.shown(files[removed[0]].path))
            } catch {
                for index in removed { results[index] = .failure(error) }
            }
        }
        return results
    }

    /// - Returns: false if the file has changed
    private func remove(_ file: InboxFile, from folder: OpenFolder) throws(DurableError) -> Bool {
        guard folder.signature(of: file.lastName) == file.signature else { return false }
        guard file.lastName.withRawPath({ unlinkat(folder.descriptor, $0, 0) }) == 0 else {
            let cause = errno
            if let obstacle = obstacle(toRemoving: file, in: folder) { throw obstacle }
            throw DurableError(
                operation: "unlink", path: file.path, errno: cause,
                hint: "make its directory writable for the service; the corpus is already in the store")
        }
        return true
    }
}
