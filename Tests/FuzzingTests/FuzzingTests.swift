import Foundation
import Fuzzing
import Testing

/// A short, reproducible version of `make fuzz`, and regression tests for all findings.
@Suite(.timeLimit(.minutes(15))) struct FuzzingTests {
    static let fixtures = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures")
    static let targets = FuzzTarget.all.map(\.name)

    @Test(arguments: targets)
    func survivesAThousandMutations(name: String) async throws {
        let target = try #require(FuzzTarget.named(name))
        await Self.onThread {
            var inputs = target.seeds
            var mutation = Mutation(seed: 20)
            for number in 0..<1000 {
                let input = mutation.changed(inputs[number % inputs.count], others: inputs)
                target.run(input)
                // Mutations accumulate.
                if number % 8 == 0 { inputs.append(input) }
            }
        }
    }

    /// `Fixtures/NAME/` contains inputs that were findings.
    @Test func survivesEarlierFindings() async throws {
        for folder in try FileManager.default.contentsOfDirectory(at: Self.fixtures, includingPropertiesForKeys: nil) {
            let target = try #require(FuzzTarget.named(folder.lastPathComponent))
            for file in try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil) {
                let input = Array(try Data(contentsOf: file))
                await Self.onThread { target.run(input) }
            }
        }
    }

    /// Runs `body` on a separate thread, because a target blocks until its server, which needs the cooperative pool,
    /// responds.
    private static func onThread(_ body: @escaping @Sendable () -> Void) async {
        await withCheckedContinuation { continuation in
            let thread = Thread {
                body()
                continuation.resume()
            }
            thread.stackSize = 8 << 20
            thread.start()
        }
    }
}
