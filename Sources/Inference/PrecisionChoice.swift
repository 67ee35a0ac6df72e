import Formatting
import Jobs
import Kernels

/// The precision of a generation's weights where `serving.precision` is `auto`: the fastest on this machine whose bits
/// per byte of held-out text are close enough to float32's.
public struct PrecisionChoice: Sendable, Equatable {
    public var precision: WeightPrecision
    /// Why, to follow the name of the precision and a colon.
    public var reason: String

    public init(_ precision: WeightPrecision, reason: String) {
        self.precision = precision
        self.reason = reason
    }

    /// How much larger than in float32 the bits per byte may be, as a fraction.
    package static let tolerance = 0.001

    /// - Parameters:
    ///   - rates: what was measured of this machine
    ///   - measured: nil if the bits per byte were not measured; int8 is not chosen then
    package init(rates: InstructionRates, measured: MeasuredPrecisions?) {
        let others = [WeightPrecision.bfloat16, .int8].filter { rates.relativeTime(servingIn: $0) != nil }
        let close = others.filter { precision in
            guard let measured else { return precision != .int8 }
            return measured[precision].map { $0 <= measured.float32 * (1 + Self.tolerance) } ?? false
        }
        precision = ([.float32] + close).min { one, other in
            (rates.relativeTime(servingIn: one) ?? .infinity) < (rates.relativeTime(servingIn: other) ?? .infinity)
        }!
        guard !others.isEmpty else {
            reason = "this CPU has no instructions for products of bfloat16 or int8"
            return
        }
        guard let measured else {
            reason =
                "the fastest without int8, because bits per byte were not measured in each precision; "
                + "the evaluation of the next generation measures them"
            return
        }
        let figures = others.map { other in
            measured[other].map { "\(Self.percent($0 / measured.float32 - 1)) in \(other.rawValue)" }
                ?? "\(other.rawValue) not measured"
        }
        reason =
            "the fastest within \(MessageFormat.fixed(Self.tolerance * 100, 1)) % of float32's "
            + "\(MessageFormat.fixed(measured.float32, 3)) bits per byte on held-out text: "
            + figures.joined(separator: ", ")
    }

    private static func percent(_ fraction: Double) -> String {
        let text = MessageFormat.fixed(fraction * 100, 3)
        return (text.hasPrefix("-") ? "" : "+") + text + " %"
    }
}

extension MeasuredPrecisions {
    package subscript(precision: WeightPrecision) -> Double? {
        switch precision {
        case .float32: float32
        case .bfloat16: bfloat16
        case .int8: int8
        }
    }
}
