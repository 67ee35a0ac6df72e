import FoundationEssentials
import Formatting
import Inference
import Interface
import Kernels
import Models

/// The measured speed of the machine, all threads together. Operations and bytes per second.
package struct MachineSpeed: Sendable, Equatable {
    package var float32: Double
    /// Nil without instructions for it.
    package var bfloat16: Double?
    /// Float32 products of BLAS; nil if it was not measured because it computes `float32`.
    package var blas: Double?
    package var memoryRead: Double

    package init(float32: Double, bfloat16: Double? = nil, blas: Double? = nil, memoryRead: Double) {
        self.float32 = float32
        self.bfloat16 = bfloat16
        self.blas = blas
        self.memoryRead = memoryRead
    }

    /// Takes a second or two. Runs in short items on the queue that models compute on, so that a request waits for no more
    /// than one of them.
    package static func measured() async throws -> MachineSpeed {
        func rate(_ measurement: RateMeasurement) async throws -> Double {
            try await measurement.run { piece in
                await WorkQueue.models.run(for: .measurement, cost: 256) { () throws(Never) in piece() }
            }
        }
        return MachineSpeed(
            float32: try await rate(.product(.float32)),
            bfloat16: Precision.hasBFloat16 ? try await rate(.product(.bfloat16)) : nil,
            blas: MachineRates.hasOwnFloat32 ? try await rate(.blasProduct()) : nil,
            memoryRead: try await rate(.memoryRead()))
    }

    var checks: [ManagerInterface.Check] {
        func gigaflops(_ rate: Double) -> String { "\(MessageFormat.fixed(rate / 1e9, 0)) GFLOP/s" }
        let rates = [
            "float32 \(gigaflops(float32))", bfloat16.map { "bfloat16 \(gigaflops($0))" },
            blas.map { "BLAS, which is not used, float32 \(gigaflops($0))" },
        ].compactMap(\.self)
        return [
            .init(
                name: "products", state: .ok, finding: rates.joined(separator: ", ") + ", measured in the last minute"),
            .init(
                name: "memory rate", state: .ok,
                finding: "\(MessageFormat.fixed(memoryRead / 1e9, 1)) GB/s read, measured in the last minute"),
        ]
    }

    private static var cpuInformation: String {
        (try? Data(contentsOf: URL(filePath: "/proc/cpuinfo"))).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    /// The instruction sets of the CPU, as /proc/cpuinfo names them; empty on CPUs other than x86.
    static var cpuFlags: Set<String> {
        let line = cpuInformation.split(separator: "\n").first { $0.hasPrefix("flags") }
        return Set((line?.split(separator: ":").last ?? "").split(separator: " ").map(String.init))
    }

    /// The name of the processor, such as `AMD EPYC 9R14`.
    static var processor: String {
        let text = cpuInformation
        for name in ["model name", "Model"] {
            let line = text.split(separator: "\n").first { $0.hasPrefix(name) }
            if let value = line?.split(separator: ":", maxSplits: 1).last { return String(value.drop { $0 == " " }) }
        }
        return "an unknown processor"
    }
}
