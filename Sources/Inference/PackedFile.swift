import Crypto
import Digests
import Durable
import Glibc
import Kernels
import Models

/// The packed weights of a generation in the file `.packed-PRECISION` of its directory, which is created when the
/// generation is first opened, and mapped from then on.
///
/// The file consists of a page of text and the bytes of a `PackedLayout`. The text contains the version of the layout,
/// the precision, and the SHA-256 of the model and of the bytes. A file that is damaged, truncated or belongs to
/// another model is created again, and replaces those of other precisions. If it cannot be written, the weights stay in
/// memory and the error is returned.
enum PackedFile {
    private static let headerBytes = 4_096

    /// - Parameters:
    ///   - file: the weights of the directory, with the sizes that `configuration` requires
    ///   - rates: decide which kernels multiply many rows
    /// - Returns: the model, and the error that prevented the file from being written, if any
    static func openModel(
        directory: String, configuration: RobertaConfiguration, file: SafetensorsFile, modelSHA256: String,
        _ precision: WeightPrecision, rates: InstructionRates
    ) throws(ModelError) -> (model: PackedModel, failure: DurableError?) {
        let layout = PackedLayout(configuration, precision)
        let path = path(directory, precision)
        let title = title(layout, modelSHA256: modelSHA256)
        if let mapped = map(path, bytes: headerBytes + layout.bytes),
            mapped.bytes[..<headerBytes].elementsEqual(
                header(title, sha256: sha256(mapped.bytes[headerBytes...])))
        {
            let model = try PackedModel(
                configuration: configuration, file: file, layout: layout, base: weights(of: mapped),
                memory: mapped, rates: rates)
            return (model, nil)
        }
        // Weights that do not match the configuration are rejected before memory is allocated for them. Weights that
        // were packed before are known to be finite.
        let all = ParameterLayout(configuration)
        for entry in all.entries { try file.require(entry.name, shape: entry.shape) }
        try file.requireAllFinite()
        let arena = Arena(bytes: layout.bytes)
        let base = UnsafeMutableRawPointer(arena.take(UInt8.self, layout.bytes))
        let packed = UnsafeRawBufferPointer(start: base, count: layout.bytes)
        let model = try PackedModel(
            configuration: configuration, file: file, layout: layout, base: base, memory: arena, rates: rates)
        try layout.pack(file, into: base)
        do throws(DurableError) {
            try TemporaryName.clearLeftovers(in: directory)
            let aside = try AtomicFile(for: path)
            let header = header(title, sha256: sha256(packed[...]))
            try header.span.bytes.withUnsafeBytes { bytes throws(DurableError) in
                try aside.append(bytes)
            }
            try aside.append(packed)
            try aside.publish()
        } catch {
            return (model, error)
        }
        // Frees the disk space of precisions that are no longer served. Existing mappings stay valid.
        for other in WeightPrecision.allCases where other != precision { unlink(self.path(directory, other)) }
        guard let mapped = map(path, bytes: headerBytes + layout.bytes) else { return (model, nil) }
        let lean = try PackedModel(
            configuration: configuration, file: file, layout: layout, base: weights(of: mapped), memory: mapped,
            rates: rates)
        return (lean, nil)
    }

    /// Returns nil unless there is a regular file of exactly that many bytes.
    private static func map(_ path: String, bytes: Int) -> MappedFile? {
        guard let file = try? MappedFile(path, followsLinks: false), file.bytes.count == bytes else { return nil }
        return file
    }

    /// The mapping is read-only, and nothing writes through this pointer.
    private static func weights(of file: MappedFile) -> UnsafeMutableRawPointer {
        UnsafeMutableRawPointer(mutating: file.bytes.baseAddress! + headerBytes)
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
    /// Returns the paths of the packed weights that a model directory may contain.
    package static func packedFiles(ofDirectory directory: String) -> [String] {
        WeightPrecision.allCases.map { PackedFile.path(directory, $0) }
    }
}
