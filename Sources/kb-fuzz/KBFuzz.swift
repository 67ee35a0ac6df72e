import Fuzzing
import Glibc

/// libFuzzer's main loop (`FuzzerDriver.cpp`), from the runtime library without `main`.
@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ count: UnsafeMutablePointer<Int32>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ test: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
) -> Int32

/// Runs a fuzz target: `KB_FUZZ_TARGET=NAME kb-fuzz CORPUS [libFuzzer flags]`. `kb-fuzz --list` prints the targets, and
/// `kb-fuzz --seeds DIR` writes the seed inputs of each target to `DIR/NAME/`.
@main
enum KBFuzz {
    /// Selected by an environment variable, because the callback of libFuzzer has no context argument.
    static let target: FuzzTarget = {
        let name = getenv("KB_FUZZ_TARGET").map { String(cString: $0) } ?? ""
        guard let target = FuzzTarget.named(name) else {
            fatalError("KB_FUZZ_TARGET must be one of \(FuzzTarget.all.map(\.name).joined(separator: " "))")
        }
        return target
    }()

    static func main() {
        let arguments = CommandLine.arguments
        if arguments.dropFirst().first == "--list" {
            print(FuzzTarget.all.map(\.name).joined(separator: "\n"))
        } else if arguments.count == 3, arguments[1] == "--seeds" {
            for target in FuzzTarget.all { write(target.seeds, to: "\(arguments[2])/\(target.name)") }
        } else {
            _ = target
            var count = CommandLine.argc
            var values = CommandLine.unsafeArgv
            exit(
                runDriver(&count, &values) { bytes, count in
                    KBFuzz.target.run(Array(UnsafeBufferPointer(start: bytes, count: count)))
                    return 0
                })
        }
    }

    private static func write(_ seeds: [[UInt8]], to folder: String) {
        mkdir(folder, 0o755)
        for (number, seed) in seeds.enumerated() {
            guard let file = fopen("\(folder)/seed-\(number)", "w") else { fatalError("cannot write to \(folder)") }
            fwrite(seed, 1, seed.count, file)
            fclose(file)
        }
    }
}
