import CKernels

/// The rates of multiply-add instructions whose operands stay in registers, in operations per second on one core. A
/// multiply-add counts as two operations.
public struct InstructionRates: Sendable, Codable, Equatable {
    /// float32, at the widest level that kernels use.
    public var float32: Double
    /// Pairs of bfloat16 (AVX512_BF16); nil if the CPU does not have them.
    public var bfloat16: Double?
    /// Groups of four bytes (AVX512_VNNI); nil if the CPU does not have them.
    public var int8: Double?

    public init(float32: Double, bfloat16: Double?, int8: Double?) {
        self.float32 = float32
        self.bfloat16 = bfloat16
        self.int8 = int8
    }

    /// Measures the rates on the calling thread, in 5 to 10 ms.
    ///
    /// Each loop takes a few microseconds, much less than a time slice of the scheduler, and is repeated in turn with
    /// the others. The shortest duration of each counts, which is one without interruption. Load therefore hardly
    /// changes the rates, and changes of the clock frequency concern all of them: their ratio stays the same.
    public static func measured() -> InstructionRates {
        let loops = [kb_f32_rate_loop, kb_bf16_rate_loop, kb_s8_rate_loop]
        var best = [Double?](repeating: nil, count: loops.count)
        for _ in 0..<200 {
            for (index, loop) in loops.enumerated() {
                let start = ContinuousClock.now
                let operations = loop(2_500)
                let seconds = (ContinuousClock.now - start) / .seconds(1)
                guard operations > 0 else { continue }
                best[index] = max(best[index] ?? 0, Double(operations) / max(seconds, 1e-9))
            }
        }
        return InstructionRates(float32: best[0] ?? 0, bfloat16: best[1], int8: best[2])
    }

    /// The rates of this machine, measured once in this process.
    public static let ofThisProcess = measured()

    /// The smallest ratio of bfloat16's rate to float32's at which bfloat16 is used.
    ///
    /// Inner kernels take 80 % of a float32 step (`docs/performance.md`). At a ratio of 1.2, they shrink to 67 %, and the
    /// step is an eighth shorter; with less than that, the rounding of operands is not worth it. CPUs are far from it on
    /// either side: 0.5 on an Intel Emerald Rapids, 2.0 on an AMD Zen 4.
    static let bfloat16Threshold = 1.2

    /// bfloat16's rate divided by float32's; nil if the CPU does not have bfloat16.
    public var bfloat16Ratio: Double? { bfloat16.map { $0 / float32 } }

    /// The precision in which training is fastest.
    public var fastestPrecision: Precision {
        (bfloat16Ratio ?? 0) >= InstructionRates.bfloat16Threshold ? .bfloat16 : .float32
    }

    /// Returns the rate of the instructions of a precision; float32's if the CPU does not have them.
    public func rate(in precision: Precision) -> Double {
        precision == .bfloat16 ? bfloat16 ?? float32 : float32
    }

    /// Why `fastestPrecision` is the fastest, to follow its name and a colon.
    public var reason: String {
        guard let bfloat16Ratio else { return "this CPU has no instructions for bfloat16 products" }
        let ratio = (bfloat16Ratio * 10).rounded() / 10
        return switch fastestPrecision {
        case .bfloat16: "its products run at \(ratio) times float32's rate on this CPU"
        case .float32: "bfloat16 products run at only \(ratio) times its rate on this CPU"
        }
    }

    /// Whether many rows are multiplied by bfloat16 weights with the float32 instructions, which the weights are converted
    /// for, because bfloat16's are slower or missing.
    public var expandsBFloat16: Bool { (bfloat16 ?? 0) < float32 }

    /// The time of products with packed weights, relative to float32's: the geometric mean of one row, for which reading
    /// the weights from memory takes the time, and many rows, for which the instructions do.
    /// - Returns: nil if this CPU has no instructions for the precision
    public func relativeTime(servingIn precision: WeightPrecision) -> Double? {
        let rate: Double? =
            switch precision {
            case .float32: float32
            case .bfloat16: bfloat16.map { max($0, float32) }
            case .int8: int8
            }
        return rate.map { rate in
            (Double(precision.bytes) / Double(WeightPrecision.float32.bytes) * float32 / rate).squareRoot()
        }
    }

    /// Whether the values can result from a measurement.
    var arePlausible: Bool {
        [float32, bfloat16 ?? 1, int8 ?? 1].allSatisfy { $0 > 0 && $0 < 1e18 }
    }
}
