import AsyncSupport
import Durable
import FoundationEssentials
import Glibc
import Interface
import Jobs
import Varlink

/// Copies the files of an import from descriptors that the client opened to a directory of the service.
package enum ReceivedFiles {
    /// Maximum size of the weights, and of any other file, in bytes.
    static let largestWeights = 16 << 30
    static let largestOther = 64 << 20
    /// Disk space that an import needs, as a multiple of the size of its files: it also writes float32 weights
    /// converted from float16, and packed weights.
    static let roomFactor = 4

    /// Checks the names of the files.
    /// - Throws: `ImportRefused` if a file does not belong to a model directory, or occurs twice
    package static func check(
        names: [String], objective: Objective
    ) throws(ManagerInterface.ImportRefused) {
        typealias Import = ManagerInterface.Import
        guard !names.isEmpty else { throw .init(reason: "there are no files") }
        guard names.count <= Import.fileLimit else {
            throw .init(reason: "there are \(names.count) files; a model directory has at most \(Import.fileLimit)")
        }
        for name in names where !Import.fileNames.contains(name) && !Import.isShard(name) {
            if Import.isPickle(name) {
                throw .init(reason: Import.conversionAdvice(for: name, in: "DIR", isCausal: objective == .clm))
            }
            throw .init(
                reason: "‘\(name.prefix(80))’ is not one of the accepted files: "
                    + Import.fileNames.joined(separator: ", ") + " and shards such as model-00001-of-00002.safetensors")
        }
        guard Set(names).count == names.count else { throw .init(reason: "a file name occurs twice") }
    }

    /// Copies the files into a new directory that only this user can access. A file that grows in the meantime is copied with the
    /// size it had at the beginning. Blocks.
    ///
    /// - Parameters:
    ///   - folder: must not exist; removed if this throws
    ///   - reserve: the bytes of the disk that stay free
    /// - Returns: the number of bytes copied
    /// - Throws: `ImportRefused` for a file that is not regular, too large, or truncated in the meantime; `DurableError`
    static func copy(
        _ files: [NamedFile], to folder: String, reserve: Int, _ flag: CancellationFlag
    ) throws -> Int {
        let sizes = try files.map(size)
        let total = sizes.reduce(0, +)
        let ofWeights = zip(files, sizes).reduce(0) { $0 + (isWeights($1.0.name) ? $1.1 : 0) }
        guard ofWeights <= largestWeights else {
            throw ManagerInterface.ImportRefused(
                reason: "the shards have \(ofWeights) bytes, at most \(largestWeights) are accepted")
        }
        let parent = folder.lastIndex(of: "/").map { String(folder[..<$0]) } ?? "."
        try checkRoom(for: total, at: parent, reserve: reserve)
        try Durable.makeDirectory(folder, mode: 0o700)
        do {
            for (file, size) in zip(files, sizes) { try copy(file, size, to: "\(folder)/\(file.name)", flag) }
        } catch {
            try? Durable.removeTree(folder)
            throw error
        }
        return total
    }

    private static func size(of file: NamedFile) throws(ManagerInterface.ImportRefused) -> Int {
        var status = stat()
        guard fstat(file.file.number, &status) == 0 else {
            throw .init(reason: "\(file.name): \(String(cString: strerror(errno)))")
        }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .init(reason: "\(file.name) is not a regular file") }
        let largest = isWeights(file.name) ? largestWeights : largestOther
        guard (0...largest).contains(Int(status.st_size)) else {
            throw .init(reason: "\(file.name) has \(status.st_size) bytes, at most \(largest) are accepted")
        }
        return Int(status.st_size)
    }

    private static func isWeights(_ name: String) -> Bool { name.hasSuffix(".safetensors") }

    /// Refuses an import that would not leave the reserve free.
    /// - Parameters:
    ///   - bytes: the total size of the incoming files
    ///   - folder: where they will be written
    ///   - reserve: the bytes of the disk that stay free
    /// - Throws: `ImportRefused`; `DurableError` if the disk cannot be examined
    package static func checkRoom(for bytes: Int, at folder: String, reserve: Int) throws {
        // At most 16 GiB, and 64 MiB for each other file: the product cannot overflow.
        let needed = bytes * roomFactor
        let free = try FreeSpace.at(folder).free
        guard free - reserve < needed else { return }
        throw ManagerInterface.ImportRefused(
            reason:
                "it has \(bytes) bytes and takes \(needed), but the disk has no room: \(free) bytes are free, of which "
                + "\(reserve) stay free (retention.reserve)")
    }

    private static func copy(_ file: NamedFile, _ size: Int, to path: String, _ flag: CancellationFlag) throws {
        let number = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard number >= 0 else { throw DurableError(operation: "open", path: path, errno: errno) }
        let copy = OpenDescriptor(number)
        let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
        defer { block.deallocate() }
        var offset = 0
        while offset < size {
            try flag.check()
            // Reads at an explicit offset, because the descriptor shares its offset with the sender.
            let count = retrying { pread(file.file.number, block.baseAddress, min(block.count, size - offset), offset) }
            guard count >= 0 else {
                let cause = errno == EBADF ? "it is not open for reading" : String(cString: strerror(errno))
                throw ManagerInterface.ImportRefused(reason: "\(file.name): \(cause)")
            }
            guard count > 0 else {
                throw ManagerInterface.ImportRefused(reason: "\(file.name) was truncated while it was copied")
            }
            try Durable.write(UnsafeRawBufferPointer(rebasing: block[..<count]), to: copy.number, path: path)
            offset += count
        }
    }
}

/// The files of a published generation, open for reading.
enum PublishedFiles {
    /// Returns the size of the files that `open` would open; nil if there are none.
    static func bytes(in directory: String) -> Int? {
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: directory) else { return nil }
        var total: Int?
        for name in names.prefix(ManagerInterface.Export.fileLimit * 2) where !name.hasPrefix(".") {
            var status = stat()
            guard lstat("\(directory)/\(name)", &status) == 0, status.st_mode & S_IFMT == S_IFREG else { continue }
            total = (total ?? 0) + Int(status.st_size)
        }
        return total
    }

    /// - Throws: `DurableError`, `TransferFailed`
    static func open(in directory: String) throws -> [NamedFile] {
        let names = try FileManager.default.contentsOfDirectory(atPath: directory).filter { !$0.hasPrefix(".") }
            .sorted()
        guard names.count <= ManagerInterface.Export.fileLimit else {
            throw ManagerInterface.TransferFailed(reason: "the generation has \(names.count) files")
        }
        return try names.compactMap { name in
            let path = "\(directory)/\(name)"
            let number = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
            guard number >= 0 else { throw DurableError(operation: "open", path: path, errno: errno) }
            let file = OpenDescriptor(number)
            var status = stat()
            guard fstat(number, &status) == 0 else { throw DurableError(operation: "fstat", path: path, errno: errno) }
            return status.st_mode & S_IFMT == S_IFREG ? NamedFile(name: name, file: file) : nil
        }
    }
}
