import Durable
import Glibc

/// The CPU of this machine, as far as it determines the speed of kernels.
public struct Processor: Sendable, Codable, Equatable {
    /// The values in `/proc/cpuinfo` that identify the model, by their names there.
    public var model: [String: String]
    /// The instructions for products that it has and that kernels exist for. A hypervisor may hide those of the model,
    /// and so may `KANTAIBERT_CPU_LEVEL`; what is measured then is that of another processor.
    public var instructions: [String]

    public init(model: [String: String], instructions: [String]) {
        self.model = model
        self.instructions = instructions
    }

    /// The CPU that this process runs on.
    public static let current = Processor(
        model: model(cpuinfo: cpuinfo()),
        instructions: [
            MachineRates.hasAVX2 ? "avx2" : nil, MachineRates.hasAVX512 ? "avx512f" : nil,
            Precision.hasBFloat16 ? "avx512_bf16" : nil, MachineRates.hasInt8 ? "avx512_vnni" : nil,
        ].compactMap(\.self))

    private static let keys: Set = [
        "vendor_id", "cpu family", "model", "stepping", "model name",
        "CPU implementer", "CPU architecture", "CPU variant", "CPU part", "CPU revision",
    ]

    /// Returns the values of the first processor that identify its model.
    package static func model(cpuinfo: String) -> [String: String] {
        var model: [String: String] = [:]
        for line in cpuinfo.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.isEmpty { break }
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else { continue }
            let (key, value) = (trimmed(parts[0]), trimmed(parts[1]))
            if keys.contains(key) { model[key] = value.bounded(toBytes: 128) }
        }
        return model
    }

    private static func trimmed(_ text: Substring) -> String {
        let isSpace: (Character) -> Bool = { $0 == " " || $0 == "\t" }
        return String(text.drop(while: isSpace).reversed().drop(while: isSpace).reversed())
    }

    /// Returns the beginning of `/proc/cpuinfo`, which describes the first processor; the whole has a few KB for each.
    private static func cpuinfo() -> String {
        let descriptor = open("/proc/cpuinfo", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 16 << 10)
        let count = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
        return String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)
    }
}
