import ArgumentParser
import Glibc

/// `kb-bench tokenizer`: training, encoding, and the figures of `hf_tokenizer_bench.py`.
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

/// The most memory this process has held so far.
func peakResidentMegabytes() -> Int {
    var usage = rusage()
    getrusage(RUSAGE_SELF.rawValue, &usage)
    return usage.ru_maxrss / 1024
}

/// `value` with so many decimals, as JSON writes numbers.
func decimals(_ value: Double, _ places: Int) -> Double {
    let scale = pow(10, Double(places))
    return (value * scale).rounded() / scale
}
