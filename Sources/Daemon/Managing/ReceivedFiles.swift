import AsyncSupport
import Durable
import FoundationEssentials
import Glibc
import Interface
import Varlink

/// The files of an import, on their way from descriptors that somebody else opened to a folder of the service's own.
enum ReceivedFiles {
    /// Bytes the weights may have, and any other file.
    static let largestWeights = 16 << 30
    static let largestOther = 64 << 20
    /// What an import takes beside its own bytes: float32 weights out of float16 ones, and packed ones.
    static let roomFactor = 4
    private static let weights = "model.safetensors"

    /// - Throws: `ImportRefused` where a name is none of a model directory, or comes twice
    static func check(names: [String]) throws(ManagerInterface.ImportRefused) {
        let known = ManagerInterface.Import.fileNames
        guard !names.isEmpty else { throw .init(reason: "there are no files") }
        guard names.count <= known.count else {
            throw .init(reason: "\(names.count) files, and \(known.count) are what a model directory has")
        }
        if let unknown = names.first(where: { !known.contains($0) }) {
            throw .init(
                reason: "‘\(unknown.prefix(80))’ is none of the files that are taken: \(known.joined(separator: ", "))")
        }
        guard Set(names).count == names.count else { throw .init(reason: "a file is named twice") }
    }

    /// Copies what the descriptors stand for, as much as their files had when it began, into a new folder of this user's
    /// alone. Blocks.
    ///
    /// - Parameter folder: must not exist; removed again where this throws
    /// - Returns: bytes copied
    /// - Throws: `ImportRefused` for what is no regular file, too large, or changes meanwhile; `DurableError`
    static func copy(_ files: [NamedFile], to folder: String, _ flag: CancellationFlag) throws -> Int {
        let sizes = try files.map(size)
        let total = sizes.reduce(0, +)
        try checkRoom(for: total, beside: folder)
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
        guard status.st_mode & S_IFMT == S_IFREG else { throw .init(reason: "\(file.name) is no regular file") }
        let largest = file.name == weights ? largestWeights : largestOther
        guard (0...largest).contains(Int(status.st_size)) else {
            throw .init(reason: "\(file.name) has \(status.st_size) bytes, \(largest) are possible")
        }
        return Int(status.st_size)
    }

    private static func checkRoom(for bytes: Int, beside folder: String) throws {
        let parent = folder.lastIndex(of: "/").map { String(folder[..<$0]) } ?? "."
        var status = statvfs()
        guard statvfs(parent, &status) == 0 else {
            throw DurableError(operation: "statvfs", path: parent, errno: errno)
        }
        // At most 16 GiB and seven times 64 MiB: the product is far from overflowing.
        let needed = bytes * roomFactor
        let block = max(1, Int(clamping: status.f_frsize))
        guard needed / block < Int(clamping: status.f_bavail) else {
            throw ManagerInterface.ImportRefused(
                reason: "it has \(bytes) bytes and takes \(needed), for which the disk has no room")
        }
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
            // At an offset of ours: the one of the descriptor is the sender's too.
            let count = retrying { pread(file.file.number, block.baseAddress, min(block.count, size - offset), offset) }
            guard count >= 0 else {
                let cause = errno == EBADF ? "it is not open for reading" : String(cString: strerror(errno))
                throw ManagerInterface.ImportRefused(reason: "\(file.name): \(cause)")
            }
            guard count > 0 else {
                throw ManagerInterface.ImportRefused(reason: "\(file.name) became shorter while it was copied")
            }
            var rest = UnsafeRawBufferPointer(rebasing: block[..<count])
            while !rest.isEmpty {
                let written = retrying { write(copy.number, rest.baseAddress, rest.count) }
                guard written >= 0 else { throw DurableError(operation: "write", path: path, errno: errno) }
                rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(written))
            }
            offset += count
        }
    }
}

/// The files of a published generation, open for reading.
enum PublishedFiles {
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
