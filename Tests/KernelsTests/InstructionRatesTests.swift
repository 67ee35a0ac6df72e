import CKernels
import Foundation
import Kernels
import Synchronization
import Testing

@Suite struct InstructionRatesTests {
    /// Rates of one core in 10⁹ operations per second, measured with loops like these.
    @Test(
        arguments: [
            // AMD Zen 4, Intel Emerald Rapids.
            (118.0, 236.0, 471.0, Precision.bfloat16, "its products run at 2.0 times float32's rate on this CPU"),
            (175, 86, 737, .float32, "bfloat16 products run at only 0.5 times its rate on this CPU"),
            (100, nil, 400, .float32, "this CPU has no instructions for bfloat16 products"),
            // On either side of the threshold.
            (100, 121, nil, .bfloat16, "its products run at 1.2 times float32's rate on this CPU"),
            (100, 110, nil, .float32, "bfloat16 products run at only 1.1 times its rate on this CPU"),
        ] as [(Double, Double?, Double?, Precision, String)])
    func choosesFasterPrecision(
        float32: Double, bfloat16: Double?, int8: Double?, precision: Precision, reason: String
    ) {
        let rates = InstructionRates(float32: float32, bfloat16: bfloat16, int8: int8)
        #expect(rates.fastestPrecision == precision)
        #expect(rates.reason == reason)
    }

    /// One row takes the time of reading the weights, many rows that of the instructions.
    @Test func servingTimesCombineMemoryTrafficAndInstructions() {
        let intel = InstructionRates(float32: 175, bfloat16: 86, int8: 700)
        #expect(intel.expandsBFloat16)
        #expect(intel.relativeTime(servingIn: .float32) == 1)
        // Half the memory, and float32's instructions.
        #expect(intel.relativeTime(servingIn: .bfloat16) == 0.5.squareRoot())
        #expect(intel.relativeTime(servingIn: .int8) == 0.25)
        let amd = InstructionRates(float32: 118, bfloat16: 236, int8: nil)
        #expect(!amd.expandsBFloat16)
        #expect(amd.relativeTime(servingIn: .bfloat16) == 0.5)
        #expect(amd.relativeTime(servingIn: .int8) == nil)
        #expect(InstructionRates(float32: 100, bfloat16: nil, int8: nil).expandsBFloat16)
    }

    @Test func measuresInstructionsOfThisCPU() {
        let rates = InstructionRates.measured()
        #expect(rates.float32 > 1e8)
        #expect((rates.bfloat16 != nil) == Precision.hasBFloat16)
        #expect((rates.int8 != nil) == MachineRates.hasInt8)
        #expect(rates.bfloat16 ?? 1e9 > 1e8 && rates.int8 ?? 1e9 > 1e8)
    }

    @Test func loopsCountOperationsOrReportUnsupportedInstructions() {
        #expect(kb_f32_rate_loop(20) > 0 && kb_f32_rate_loop(20) == 2 * kb_f32_rate_loop(10))
        #expect((kb_bf16_rate_loop(10) != 0) == Precision.hasBFloat16)
        #expect((kb_s8_rate_loop(10) != 0) == MachineRates.hasInt8)
    }

    /// Another use of the cores.
    enum Load: CaseIterable {
        /// Uses the units that are measured.
        case vectors
        case integers

        func work() {
            switch self {
            case .vectors: _ = kb_f32_rate_loop(2_500)
            case .integers: sched_yield()
            }
        }
    }

    /// Occupies every core with two threads while `body` runs.
    private func whileBusy(_ load: Load, _ body: () -> Void) {
        final class State: Sendable {
            let started = Atomic(0)
            let isOver = Atomic(false)
        }
        let state = State()
        let threads = 2 * ProcessInfo.processInfo.activeProcessorCount
        for _ in 0..<threads {
            Thread.detachNewThread {
                state.started.add(1, ordering: .relaxed)
                while !state.isOver.load(ordering: .relaxed) { load.work() }
            }
        }
        while state.started.load(ordering: .relaxed) < threads { sched_yield() }
        body()
        state.isOver.store(true, ordering: .relaxed)
    }

    private static let decisions =
        ProcessInfo.processInfo.environment["KANTAIBERT_TEST_DECISIONS"].flatMap { Int($0) } ?? 100

    @Test(arguments: Load.allCases)
    func loadDoesNotChangeDecision(load: Load) {
        let quiet = InstructionRates.measured().fastestPrecision
        whileBusy(load) {
            for _ in 0..<Self.decisions {
                let rates = InstructionRates.measured()
                #expect(rates.fastestPrecision == quiet, "\(rates)")
            }
        }
    }
}
