import Daemon
import Durable
import Foundation
import Inference
import Jobs
import Settings
import Testing

/// A generation is loaded for the first time by a separate process: here, a shell script that ends in each possible way.
@Suite(.timeLimit(.minutes(15))) struct ModelProcessTests {
    /// - Parameter script: `$LIFE` is the number of times it was started
    private func program(_ script: String, in folder: String) throws -> String {
        let path = folder + "/train.sh"
        let text = """
            #!/bin/sh
            cd '\(folder)'
            echo "$@" >> lives
            LIFE=$(wc -l < lives)
            \(script)
            """
        // Another process writes it: a child that another test starts meanwhile would inherit this process's descriptor.
        let shell = Process()
        shell.executableURL = URL(filePath: "/bin/sh")
        shell.arguments = ["-c", "printf '%s' \"$1\" > \"$0\" && chmod 755 \"$0\"", path, text]
        try shell.run()
        shell.waitUntilExit()
        try #require(shell.terminationStatus == 0)
        return path
    }

    private func lives(_ folder: String) -> [String] {
        ((try? String(contentsOfFile: folder + "/lives", encoding: .utf8)) ?? "").split(separator: "\n")
            .map(String.init)
    }

    @Test(arguments: [
        ("kill -SEGV $$", "SIGSEGV", 2), ("ulimit -t 0; kill -KILL $$", "SIGKILL", 2),
        ("echo 'it fell over' >&2; exit 70", "it fell over", 1),
        (
            #"echo '{"kind":"failed","time":"2026-01-01T00:00:00.000Z","message":"`a` holds nan at 3"}'; exit 65"#,
            "`a` holds nan at 3", 1
        ),
    ])
    func crashWhileLoadingKeepsTheServingGeneration(script: String, says: String, times: Int) async throws {
        let models = try ServingTests.Models(generations: 2, of: "m", objective: .mlm)
        let folder = models.directory.root
        // The process accepts the first generation and crashes on the second.
        let program = try program("case \"$2\" in */1) exit 0;; esac\n" + script, in: folder)
        let registry = ModelRegistry(directory: models.directory, trainProgram: program)
        let first = try #require(try await registry.loadCurrent("m"))
        let error = await #expect(throws: InferenceError.self) { try await registry.promote("m", to: 2) }
        #expect("\(String(describing: error))".contains(says), "\(String(describing: error))")
        #expect(lives(folder).filter { $0.contains("/2") }.count == times)
        #expect(await registry.model("m")?.generation == 1)
        #expect(try await first.engine.fillMask("a<mask>", topK: 1).masks.count == 1)
        #expect(models.directory.currentGeneration(of: "m") == 1)
    }

    /// A process that is killed once does not prove that the model is to blame.
    @Test func processKilledOnceIsRestarted() async throws {
        let models = try ServingTests.Models(generations: 1, of: "m", objective: .mlm)
        let program = try program("[ $LIFE = 1 ] && kill -KILL $$; exit 0", in: models.directory.root)
        let registry = ModelRegistry(directory: models.directory, trainProgram: program)
        #expect(try await registry.loadCurrent("m") != nil)
        #expect(lives(models.directory.root).count == 2)
    }

    @Test func missingProgramIsNotAModelError() async throws {
        let models = try ServingTests.Models(generations: 1, of: "m", objective: .mlm)
        let registry = ModelRegistry(directory: models.directory, trainProgram: models.directory.root + "/nothing")
        await #expect(throws: DurableError.self) { try await registry.loadCurrent("m") }
    }

    /// A very long line without a line break is truncated in the error.
    @Test func errorOutputIsBounded() async throws {
        let models = try ServingTests.Models(generations: 1, of: "m", objective: .mlm)
        let program = try program(
            "head -c 60000 /dev/zero | tr '\\0' 'x' >&2; echo >&2; exit 70", in: models.directory.root)
        let registry = ModelRegistry(directory: models.directory, trainProgram: program)
        let error = await #expect(throws: InferenceError.self) { try await registry.loadCurrent("m") }
        let text = "\(String(describing: error))"
        #expect(text.contains("status 70") && text.utf8.count < 1_500)
    }

    /// A directory that was checked is loaded without a process until it changes.
    @Test func onlyTheFirstLoadUsesAProcess() async throws {
        let models = try ServingTests.Models(generations: 1, of: "m", objective: .mlm)
        let folder = models.directory.root
        let program = try program("exit 0", in: folder)
        func load() async throws -> InferenceEngine? {
            let registry = ModelRegistry(directory: models.directory, precision: .float32, trainProgram: program)
            return try await registry.loadCurrent("m")?.engine
        }
        let engine = try #require(try await load())
        #expect(lives(folder).count == 1)
        // The script has not recorded its check.
        _ = try await load()
        #expect(lives(folder).count == 2)
        try CheckedFile.write(for: engine)
        #expect(try await load()?.modelSHA256 == engine.modelSHA256)
        #expect(lives(folder).count == 2)
        let configuration = models.directory.generation(1, of: "m") + "/config.json"
        let text = try String(contentsOfFile: configuration, encoding: .utf8)
        try (text + "\n").write(toFile: configuration, atomically: true, encoding: .utf8)
        _ = try await load()
        #expect(lives(folder).count == 3)
    }
}
