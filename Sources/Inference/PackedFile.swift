import Crypto
import Digests
import Durable
import Glibc
import Kernels
import Models

/// A generation's packed weights, in the file `.packed-PRECISION` of its directory: made when it is first opened, and mapped
/// from then on.
///
/// The file is a page of text and the bytes of a `PackedLayout`. The text names the layout's version, the precision, the
/// model's SHA-256 and that of the bytes: a file that is damaged, cut short, or of another model is made again, and takes the
/// place of those of other precisions. Where it cannot be written, the weights stay in memory, and the reason is told.
enum PackedFile {
    private static let headerBytes = 4_096

    /// - Parameter file: the directory's weights, of the size that `configuration` asks for
    /// - Returns: the model, and why its file could not be written, where it was to be and could not
    static func openModel(
        directory: String, configuration: RobertaConfiguration, file: SafetensorsFile, modelSHA256: String,
        _ precision: WeightPrecision
    ) throws(ModelError) -> (model: PackedModel, failure: DurableError?) {
        let layout = PackedLayout(configuration, precision)
        let path = path(directory, precision)
        let title = title(layout, modelSHA256: modelSHA256)
        if let mapped = MappedFile(path, bytes: headerBytes + layout.bytes),
            mapped.contents[..<headerBytes].elementsEqual(
                header(title, sha256: sha256(mapped.contents[headerBytes...])))
        {
            let model = try PackedModel(
                configuration: configuration, file: file, layout: layout, base: mapped.base + headerBytes,
                memory: mapped)
            return (model, nil)
        }
        // What does not fit the configuration is refused before there is memory for it; what was packed once is finite.
        let all = ParameterLayout(configuration)
        for entry in all.entries { try file.require(entry.name, shape: entry.shape) }
        try file.requireAllFinite()
        let arena = Arena(bytes: layout.bytes)
        let base = UnsafeMutableRawPointer(arena.take(UInt8.self, layout.bytes))
        let packed = UnsafeRawBufferPointer(start: base, count: layout.bytes)
        let model = try PackedModel(
            configuration: configuration, file: file, layout: layout, base: base, memory: arena)
        try layout.pack(file, into: base)
        do throws(DurableError) {
            try TemporaryName.clearLeftovers(in: directory)
            let aside = try AsideFile(for: path)
            let header = header(title, sha256: sha256(packed[...]))
            try header.span.bytes.withUnsafeBytes { bytes throws(DurableError) in
                try aside.append(bytes)
            }
            try aside.append(packed)
            try aside.publish()
        } catch {
            return (model, error)
        }
        // Half a gigabyte of what is not served any more is no use; whoever has it mapped keeps it.
        for other in WeightPrecision.allCases where other != precision { unlink(self.path(directory, other)) }
        guard let mapped = MappedFile(path, bytes: headerBytes + layout.bytes) else { return (model, nil) }
        let lean = try PackedModel(
            configuration: configuration, file: file, layout: layout, base: mapped.base + headerBytes, memory: mapped)
        return (lean, nil)
    }

    static func path(_ directory: String, _ precision: WeightPrecision) -> String {
        "\(directory)/.packed-\(precision.rawValue)"
    }

    private static func title(_ layout: PackedLayout, modelSHA256: String) -> String {
        """
        kantaibert packed weights \(PackedLayout.version)
        precision \(layout.precision.rawValue)
        model_sha256 \(modelSHA256)
        bytes \(layout.bytes)

        """
    }

    private static func header(_ title: String, sha256: String) -> [UInt8] {
        let text = Array("\(title)sha256 \(sha256)\n".utf8)
        return text + Array(repeating: 0, count: headerBytes - text.count)
    }

    private static func sha256(_ bytes: Slice<UnsafeRawBufferPointer>) -> String {
        var hash = SHA256()
        hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: bytes))
        return hash.finalize().hexadecimal
    }
}

extension InferenceEngine {
    /// The files of packed weights that may lie in a model directory.
    package static func packedFiles(ofDirectory directory: String) -> [String] {
        WeightPrecision.allCases.map { PackedFile.path(directory, $0) }
    }
}

/// A whole file, mapped to be read.
private final class MappedFile {
    let base: UnsafeMutableRawPointer
    let contents: UnsafeRawBufferPointer

    /// Nil where there is no file of exactly that many bytes.
    init?(_ path: String, bytes: Int) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, Int(status.st_size) == bytes,
            let mapped = mmap(nil, bytes, PROT_READ, MAP_PRIVATE, descriptor, 0), mapped != MAP_FAILED
        else { return nil }
        base = mapped
        contents = UnsafeRawBufferPointer(start: mapped, count: bytes)
    }

    deinit { munmap(base, contents.count) }
}
