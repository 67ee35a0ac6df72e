import ArgumentParser
import Glibc

/// `kb-bench tokenizer`: trains, applies and measures tokenizers, with the output fields of `hf_tokenizer_bench.py`.
struct TokenizerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tokenizer", abstract: "Train, apply and measure byte-level BPE tokenizers.",
        subcommands: [
            TokenizerTrainCommand.self, TokenizerEncodeCommand.self, TokenizerBenchCommand.self,
            TokenizerIncrementalCommand.self,
        ])
}

extension ContinuousClock.Duration {
    var inSeconds: Double { self / .seconds(1) }
}

/// Returns the peak resident memory of this process in megabytes.
func peakResidentMegabytes() -> Int {
    var usage = rusage()
    getrusage(RUSAGE_SELF.rawValue, &usage)
    return usage.ru_maxrss / 1024
}

/// Rounds `value` to the given number of decimal places.
func decimals(_ value: Double, _ places: Int) -> Double {
    let scale = pow(10, Double(places))
    return (value * scale).rounded() / scale
}
