import Inference
import Jobs
import Kernels
import Settings

/// Decides the precision in which generations are served on this machine.
package struct PrecisionPolicy: Sendable {
    let setting: ServingPrecision
    let rates: InstructionRates

    package init(_ setting: ServingPrecision, rates: InstructionRates) {
        self.setting = setting
        self.rates = rates
    }

    /// - Parameter measured: the generation's bits per byte by precision; nil if they were not measured
    package func choice(_ measured: MeasuredPrecisions?) -> PrecisionChoice {
        // `auto` is no precision.
        guard let precision = WeightPrecision(rawValue: setting.rawValue) else {
            return PrecisionChoice(rates: rates, measured: measured)
        }
        return PrecisionChoice(precision, reason: "set by serving.precision")
    }
}
