import Inference
import Jobs
import Kernels
import Testing

@Suite struct PrecisionChoiceTests {
    /// Rates of one core in 10⁹ operations per second.
    static let intel = InstructionRates(float32: 175, bfloat16: 86, int8: 737)
    static let amd = InstructionRates(float32: 118, bfloat16: 236, int8: 471)
    static let withoutInt8 = InstructionRates(float32: 118, bfloat16: 236, int8: nil)
    static let withoutBFloat16 = InstructionRates(float32: 100, bfloat16: nil, int8: 400)
    static let float32Only = InstructionRates(float32: 50, bfloat16: nil, int8: nil)
    /// Reads a quarter of the memory, but multiplies much more slowly.
    static let slowInt8 = InstructionRates(float32: 100, bfloat16: 200, int8: 10)

    static func measured(_ float32: Double, _ bfloat16: Double?, _ int8: Double?) -> MeasuredPrecisions {
        MeasuredPrecisions(float32: float32, bfloat16: bfloat16, int8: int8)
    }

    @Test(
        arguments: [
            // int8 costs nothing.
            (intel, measured(2, 1.99994, 1.99928), .int8), (amd, measured(2, 2, 2), .int8),
            // On either side of 0.1 %.
            (amd, measured(2, 2, 2.0019), .int8), (amd, measured(2, 2, 2.0021), .bfloat16),
            // bfloat16 multiplies more slowly than float32, but many rows are multiplied in float32.
            (intel, measured(2, 2, 2.1), .bfloat16),
            (intel, measured(2, 2.1, 2.1), .float32), (amd, measured(2, 2.1, 2), .int8),
            // Not finite.
            (amd, measured(2, nil, nil), .float32),
            // Not measured: never int8.
            (intel, nil, .bfloat16), (amd, nil, .bfloat16), (withoutBFloat16, nil, .float32),
            (withoutBFloat16, measured(2, nil, 2), .int8), (withoutInt8, measured(2, 2, 2), .bfloat16),
            (float32Only, measured(2, 2, 2), .float32), (float32Only, nil, .float32),
            (slowInt8, measured(2, 2, 2), .bfloat16),
        ] as [(InstructionRates, MeasuredPrecisions?, WeightPrecision)])
    func choosesTheFastestThatIsCloseEnough(
        rates: InstructionRates, measured: MeasuredPrecisions?, expected: WeightPrecision
    ) {
        #expect(PrecisionChoice(rates: rates, measured: measured).precision == expected)
    }

    @Test func reasonHasTheFigures() {
        let measured = Self.measured(2, 1.99994, 2.0102)
        #expect(
            PrecisionChoice(rates: Self.intel, measured: measured).reason
                == "the fastest within 0.1 % of float32's 2.000 bits per byte on held-out text: -0.003 % in bfloat16, "
                + "+0.510 % in int8")
        #expect(
            PrecisionChoice(rates: Self.intel, measured: nil).reason
                == "the fastest without int8, because bits per byte were not measured in each precision; the evaluation of "
                + "the next generation measures them")
        #expect(
            PrecisionChoice(rates: Self.float32Only, measured: measured).reason
                == "this CPU has no instructions for products of bfloat16 or int8")
        #expect(
            PrecisionChoice(rates: Self.amd, measured: Self.measured(2, 2, nil)).reason.hasSuffix("int8 not measured"))
    }
}
