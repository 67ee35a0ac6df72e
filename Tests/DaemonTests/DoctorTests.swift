import Daemon
import FoundationEssentials
import Glibc
import Interface
import Logging
import Synchronization
import TestSupport
import Testing
import Varlink
import VarlinkServer

/// Expensive calls made by hundreds of clients at once.
@Suite(.timeLimit(.minutes(15))) struct DoctorTests {
    private struct Counts {
        var begun = 0
        var ended = 0
        var cancelled = 0
        var atATime = 0
        var mostAtATime = 0
    }

    /// A measurement that lasts until it is released or cancelled.
    private final class Measurement: Sendable {
        let counts = Mutex(Counts())
        private let (gate, opens) = AsyncStream.makeStream(of: Void.self)
        private let (begins, hasBegun) = AsyncStream.makeStream(of: Void.self)
        private let (ends, hasBeenCancelled) = AsyncStream.makeStream(of: Void.self)

        func run() async throws -> MachineSpeed {
            counts.withLock {
                $0.begun += 1
                $0.atATime += 1
                $0.mostAtATime = max($0.mostAtATime, $0.atATime)
            }
            hasBegun.yield()
            defer { counts.withLock { $0.atATime -= 1 } }
            for await _ in gate { break }
            do {
                try Task.checkCancellation()
            } catch {
                counts.withLock { $0.cancelled += 1 }
                hasBeenCancelled.yield()
                throw error
            }
            counts.withLock { $0.ended += 1 }
            return MachineSpeed(float32: 123e9, bfloat16: 456e9, memoryRead: 7.5e9)
        }

        func waitUntilStarted() async { for await _ in begins { break } }
        func waitUntilCancelled() async { for await _ in ends { break } }
        func release() { opens.finish() }
    }

    private func withDoctor(
        _ measurement: Measurement, _ body: @escaping @Sendable (_ socket: String) async throws -> Void
    ) async throws {
        let directory = StateDirectory(root: "/tmp/doctor-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(atPath: directory.root) }
        try directory.prepare(models: [])
        var service = VarlinkService(vendor: "", product: "", version: "", url: "")
        try ManagerService.idle(in: directory) { try await measurement.run() }.register(with: &service)
        let socket = directory.root + "/socket"
        let server = VarlinkServer(
            service: service, listener: .path(socket), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let (listening, isListening) = AsyncStream.makeStream(of: Void.self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run { isListening.yield() } }
            for await _ in listening { break }
            let result: Result<Void, any Error>
            do { result = .success(try await body(socket)) } catch { result = .failure(error) }
            group.cancelAll()
            try result.get()
        }
    }

    @Test func concurrentDoctorCallsShareOneMeasurement() async throws {
        let measurement = Measurement()
        try await withDoctor(measurement) { socket in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<30 {
                    group.addTask {
                        try await blocking {
                            let reply = try VarlinkClient(path: socket).call(ManagerInterface.Doctor.self, .init())
                            #expect(
                                reply.checks.contains {
                                    $0.finding.hasPrefix("float32 123 GFLOP/s, bfloat16 456 GFLOP/s, measured")
                                })
                            let precision = try #require(reply.checks.first { $0.name == "precision" })
                            #expect(precision.finding.contains("auto trains in "), "\(reply.checks)")
                        }
                    }
                }
                await measurement.waitUntilStarted()
                // Other calls are answered in the meantime.
                try await blocking {
                    _ = try VarlinkClient(path: socket).call(ManagerInterface.GetStatus.self, .init())
                }
                measurement.release()
                try await group.waitForAll()
            }
            // The result is cached for a minute, also for other methods.
            try await blocking {
                let speed = try VarlinkClient(path: socket).call(ManagerInterface.MeasureSpeed.self, .init())
                #expect(speed.float32Operations == 123e9 && speed.memoryRead == 7.5e9)
                #expect(speed.float32Instructions > 1e9)
            }
            try await blocking {
                _ = try VarlinkClient(path: socket).call(ManagerInterface.Doctor.self, .init())
            }
        }
        #expect(measurement.counts.withLock { $0.begun } == 1)
        #expect(measurement.counts.withLock { $0.ended } == 1)
    }

    @Test(
        arguments: [
            ("Prescott", "sse2 avx avx2 fma", true, "Haswell"), ("Prescott", "avx avx2 avx512f", true, "SkylakeX"),
            ("Sandybridge", "avx avx2", true, "Haswell"), ("Nehalem", "avx", true, "Sandybridge"),
            ("Haswell", "avx avx2 avx512f", true, nil), ("Sandybridge", "avx", true, nil),
            ("Prescott", "sse2", true, nil),
            ("ARMV8", "", true, nil), ("Prescott", "avx avx2 avx512f", false, nil),
        ] as [(String, String, Bool, String?)])
    func kernelsOfAnOldCPUAreAProblemWhereTheyAreUsed(
        _ core: String, _ flags: String, _ isUsed: Bool, _ remedy: String?
    ) {
        let check = Diagnostics.blas(
            "OpenBLAS 0.3.21, kernels for \(core)", core: core, isUsed: isUsed,
            cpuFlags: Set(flags.split(separator: " ").map(String.init)))
        #expect(check.state == (remedy == nil ? .ok : .warning), "\(check)")
        #expect(check.advice.map { $0.contains("OPENBLAS_CORETYPE=\(remedy ?? "?")") } == remedy.map { _ in true })
        if !isUsed { #expect(check.finding.contains("SSE only: slow on this CPU, which has no effect"), "\(check)") }
    }

    @Test func disconnectingCancelsTheMeasurement() async throws {
        let measurement = Measurement()
        try await withDoctor(measurement) { socket in
            var clients = try (0..<20).map { _ in try HangingUp(path: socket) }
            await measurement.waitUntilStarted()
            // The clients are connected until here.
            withExtendedLifetime(clients) {}
            clients.removeAll()
            await measurement.waitUntilCancelled()
        }
        // A call that arrived after the others had disconnected has started another measurement after the first.
        #expect(measurement.counts.withLock { $0.mostAtATime } == 1)
    }

    /// Calls and disconnects without waiting for the reply.
    private final class HangingUp: @unchecked Sendable {
        // @unchecked: used by one thread at a time.
        private let client: VarlinkClient
        init(path: String) throws {
            client = try VarlinkClient(path: path)
            _ = try client.callMore(ManagerInterface.Doctor.self, .init())
        }
    }

    // MARK: Components

    @Test func callerAfterCancellationStartsNewWork() async throws {
        let work = SharedWork<Int, Int>(keptFor: .seconds(60))
        let (begins, hasBegun) = AsyncStream.makeStream(of: Void.self)
        let left = Task {
            try await work.value(for: 1) {
                hasBegun.yield()
                try await Task.sleep(for: .seconds(3600))
                return 1
            }
        }
        for await _ in begins { break }
        left.cancel()
        await #expect(throws: CancellationError.self) { try await left.value }
        #expect(try await work.value(for: 1) { 2 } == 2)
        #expect(try await work.value(for: 1) { 3 } == 2)
        #expect(try await work.value(for: 2) { 4 } == 4)
    }

    @Test func failuresAreNotCached() async throws {
        struct Failed: Error {}
        let work = SharedWork<Int, Int>(keptFor: .seconds(60))
        await #expect(throws: Failed.self) { try await work.value(for: 1) { throw Failed() } }
        #expect(try await work.value(for: 1) { 5 } == 5)
    }

    @Test func excessBlockingWorkIsRefused() async throws {
        let blocking = Blocking("test", most: 4)
        let (running, isRunning) = AsyncStream.makeStream(of: Void.self)
        let gate = Flag()
        let calls = (0..<20).map { _ in
            Task {
                try await blocking.run(for: 1) { _ in
                    isRunning.yield()
                    while !gate.isSet { sched_yield() }
                    return 1
                }
            }
        }
        for await _ in running { break }
        // Two of twenty are accepted: one user may have half of four. The others are refused.
        let (refusals, refusal) = AsyncStream.makeStream(of: Bool.self)
        for call in calls {
            Task {
                do {
                    _ = try await call.value
                    refusal.yield(false)
                } catch {
                    refusal.yield(error is ManagerInterface.Overloaded)
                }
            }
        }
        var refused = 0
        for await isRefusal in refusals {
            #expect(isRefusal)
            refused += 1
            if refused == 18 { break }
        }
        // Another user is accepted.
        let other = Task { try await blocking.run(for: 2) { _ in 3 } }
        gate.set()
        #expect(try await other.value == 3)
        var answered = 0
        for await isRefusal in refusals {
            if !isRefusal { answered += 1 }
            if answered == 2 { break }
        }
    }

    @Test func cancelledBlockingWorkIsNotStarted() async throws {
        let blocking = Blocking("test", most: 8)
        let (running, isRunning) = AsyncStream.makeStream(of: Void.self)
        let gate = Flag()
        let ran = Flag()
        let first = Task {
            try await blocking.run(for: 1) { _ in
                isRunning.yield()
                while !gate.isSet { sched_yield() }
            }
        }
        for await _ in running { break }
        let second = Task { try await blocking.run(for: 1) { _ in ran.set() } }
        second.cancel()
        gate.set()
        try await first.value
        await #expect(throws: CancellationError.self) { try await second.value }
        #expect(!ran.isSet)
    }
}

private final class Flag: Sendable {
    private let value = Atomic(false)
    var isSet: Bool { value.load(ordering: .acquiring) }
    func set() { value.store(true, ordering: .releasing) }
}
