import Foundation
import Fuzzing
import Testing

/// A short while of what `make fuzz` does for minutes, the same each time, and all that it ever found.
@Suite(.timeLimit(.minutes(15))) struct FuzzingTests {
    static let fixtures = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures")
    static let targets = FuzzTarget.all.map(\.name)

    @Test(arguments: targets)
    func nothingTrapsOnAThousandChanges(name: String) async throws {
        let target = try #require(FuzzTarget.named(name))
        await Self.onThread {
            var inputs = target.seeds
            var mutation = Mutation(seed: 20)
            for number in 0..<1000 {
                let input = mutation.changed(inputs[number % inputs.count], others: inputs)
                target.run(input)
                // Changes upon changes.
                if number % 8 == 0 { inputs.append(input) }
            }
        }
    }

    /// `Fixtures/NAME/` holds inputs that once were findings.
    @Test func whatWasFoundStaysMended() async throws {
        for folder in try FileManager.default.contentsOfDirectory(at: Self.fixtures, includingPropertiesForKeys: nil) {
            let target = try #require(FuzzTarget.named(folder.lastPathComponent))
            for file in try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil) {
                let input = Array(try Data(contentsOf: file))
                await Self.onThread { target.run(input) }
            }
        }
    }

    /// Off the threads that run tasks: a target waits for its server, which needs them.
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
