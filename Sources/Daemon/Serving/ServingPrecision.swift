import Kernels
import Settings

extension ServingPrecision {
    /// The precision of packed weights that the setting selects on this CPU.
    var weights: WeightPrecision {
        switch self {
        case .auto: .fitting
        case .float32: .float32
        case .bfloat16: .bfloat16
        case .int8: .int8
        }
    }
}
