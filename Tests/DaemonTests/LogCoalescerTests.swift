import Daemon
import Database
import Events
import LimitedLogging
import Logging
import Testing
import Varlink

@Suite("Log rate limits of events")
struct LogCoalescerTests {
    private func admitted(_ number: Int) -> ServiceEvent {
        ServiceEvent(.corpusAdmitted, "\(number).txt is admitted: 1000 bytes", fields: ["bytes": 1000])
    }

    @Test("Ten thousand events in twenty seconds become one line per second, and every event is counted")
    func coalescesFloodToOneLinePerSecond() {
        var bursts = LogCoalescer()
        let start = ContinuousClock.now
        var lines: [(second: Int, text: String)] = []
        func note(_ events: [ServiceEvent], _ time: ContinuousClock.Instant) {
            lines += events.map { (Int(start.duration(to: time) / .seconds(1)), $0.message) }
        }
        for number in 0..<10_000 {
            let now = start.advanced(by: .milliseconds(2 * number))
            if let end = bursts.end, end <= now { note(bursts.lines(now: now), now) }
            note(bursts.take(admitted(number), now: now), now)
        }
        note(bursts.lines(now: nil), start.advanced(by: .seconds(20)))
        #expect(lines.map(\.second) == Array(0...20))
        #expect(lines[0].text == "0.txt is admitted: 1000 bytes")
        #expect(lines[1].text == "and 499 more files were admitted: 499.0 kB")
        let counts = lines.dropFirst().compactMap {
            $0.text.split(separator: " ").dropFirst().first.flatMap { Int($0) }
        }
        #expect(counts.count == 20 && counts.reduce(1, +) == 10_000)
        let left = bursts.lines(now: nil)
        #expect(bursts.end == nil && left.isEmpty)
    }

    @Test("Each corpus with warnings has its own line, after the lines of the files before it")
    func warningsAreNeverSummarized() throws {
        let start = ContinuousClock.now
        var bursts = LogCoalescer()
        var lines: [ServiceEvent] = []
        for number in 0..<1000 {
            let corpus = CorpusRecord(
                sha256: "c\(number)", name: "\(number).txt", bytes: 1, documents: 1, state: .admitted, model: "m",
                encoding: "windows-1252", format: "HTML", warnings: ["3 bytes were replaced", "2 rows were left out"])
            lines += bursts.take(ServiceEvent(.corpusAdmitted, "\(number).txt is admitted"), now: start)
            lines += bursts.take(try #require(ServiceEvent(warningsOf: corpus)), now: start)
        }
        let warnings = lines.filter { $0.kind == .corpusWarning }
        #expect(
            warnings.map(\.message)
                == (0..<1000).map { "\($0).txt: 3 bytes were replaced; 2 rows were left out" })
        #expect(warnings.last?.corpus == "c999" && warnings.last?.model == "m")
        #expect(
            warnings.first?.fields == [
                "name": "0.txt", "encoding": "windows-1252", "format": "HTML",
                "warnings": .array(["3 bytes were replaced", "2 rows were left out"]),
            ])
        #expect(EventKind.corpusWarning.definition.level == .warning)
        for warnings in [nil, []] as [[String]?] {
            let corpus = CorpusRecord(
                sha256: "c", name: "a", bytes: 1, documents: 1, state: .admitted, warnings: warnings)
            #expect(ServiceEvent(warningsOf: corpus) == nil)
        }
    }

    @Test("The message about a corpus has whole warnings, and the number of those that do not fit")
    func warningsAreNotCutOff() throws {
        let warnings = (10..<26).map { "\($0) " + String(repeating: "x", count: 500) }
        let corpus = CorpusRecord(
            sha256: "c", name: "a.txt", bytes: 1, documents: 1, state: .admitted, warnings: warnings)
        let message = try #require(ServiceEvent(warningsOf: corpus)).message
        #expect(
            message
                == "a.txt: " + warnings.prefix(3).joined(separator: "; ") + "; and 13 more, which ‘kbctl corpora’ shows"
        )
    }

    @Test("A few events are listed one by one, many by their number and the first of them")
    func summarizesManyEvents() {
        let start = ContinuousClock.now
        func line(of count: Int, _ event: (Int) -> ServiceEvent) -> ServiceEvent? {
            var bursts = LogCoalescer()
            let first = bursts.take(event(0), now: start)
            #expect(first.map(\.message) == [event(0).message])
            let more = (1...count).flatMap { bursts.take(event($0), now: start) }
            #expect(more.isEmpty)
            let lines = bursts.lines(now: start.advanced(by: .seconds(1)))
            #expect(lines.count == 1)
            return lines.first
        }
        func rejected(_ number: Int) -> ServiceEvent {
            ServiceEvent(.corpusRejected, "\(number).bin is rejected: no text", model: "m", corpus: "c")
        }
        // A single event keeps all its fields.
        let alone = line(of: 1, rejected)
        #expect(alone?.message == "1.bin is rejected: no text" && alone?.model == "m" && alone?.corpus == "c")
        #expect(line(of: 2, rejected)?.message == "1.bin is rejected: no text; 2.bin is rejected: no text")
        #expect(
            line(of: 12_345, rejected)?.message
                == "and 12,345 more files were rejected (‘kbctl corpora --state rejected’ lists them): "
                + "1.bin is rejected: no text; 2.bin is rejected: no text; 3.bin is rejected: no text; …")
        #expect(line(of: 12_345, admitted)?.message == "and 12,345 more files were admitted: 12.3 MB")
        #expect(line(of: 12_345, admitted)?.fields == ["count": 12_345, "bytes": 12_345_000])
        func ignored(_ number: Int) -> ServiceEvent {
            ServiceEvent(.fileLeftAlone, "p\(number) stays: it is a FIFO", fields: ["name": .string("p\(number)")])
        }
        #expect(
            line(of: 1000, ignored)?.message == "and 1,000 more stay in the inbox and are not read: p1, p2, p3, …")
        func problem(_ number: Int) -> ServiceEvent { ServiceEvent(.problem, "no room for \(number)") }
        #expect(
            line(of: 1000, problem)?.message
                == "and 1,000 more like these: no room for 1; no room for 2; no room for 3; …")
    }

    @Test("Kinds are limited independently; events of unlimited kinds are logged at once, in order")
    func limitsKindsIndependently() {
        var bursts = LogCoalescer()
        let now = ContinuousClock.now
        let later = now.advanced(by: .seconds(1))
        func serves(_ number: Int) -> ServiceEvent { ServiceEvent(.generationServes, "m \(number) serves") }
        let lines = [
            bursts.take(admitted(0), now: now), bursts.take(ServiceEvent(.problem, "a"), now: now),
            bursts.take(admitted(1), now: now), bursts.take(serves(1), now: now),
            bursts.take(serves(2), now: now),
            // After a second, the next event is logged immediately.
            bursts.take(ServiceEvent(.problem, "b"), now: later),
        ].map { $0.map(\.message) }
        let (first, second) = (admitted(0).message, admitted(1).message)
        #expect(lines == [[first], ["a"], [], [second, "m 1 serves"], ["m 2 serves"], ["b"]])
        #expect(bursts.end == nil)
    }

    @Test("A line rate allows one line per second")
    func lineRate() {
        var rate = RateLimiter()
        let start = ContinuousClock.now
        let allowed = (0..<40).filter { rate.allowsLine(now: start.advanced(by: .milliseconds(100 * $0))) }
        #expect(allowed == [0, 10, 20, 30])
    }

    @Test("Of training steps at most one per second is logged; the others are dropped")
    func steps() {
        var bursts = LogCoalescer()
        let start = ContinuousClock.now
        let logged = (0..<40).filter {
            !bursts.take(ServiceEvent(.step, "step \($0)"), now: start.advanced(by: .milliseconds(100 * $0))).isEmpty
        }
        #expect(logged == [0, 10, 20, 30])
        #expect(bursts.end == nil)
    }
}
