import Daemon
import Testing
import Varlink

@Suite("Lines of the log that come thousands at a time")
struct LogCoalescerTests {
    private func admitted(_ number: Int) -> ServiceEvent {
        ServiceEvent(.corpusAdmitted, "\(number).txt is admitted: 1000 bytes", fields: ["bytes": 1000])
    }

    @Test("Ten thousand files in twenty seconds are a line a second, and each is told of")
    func flood() {
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
        #expect(lines[1].text == "and 499 further files are admitted: 499.0 kB")
        let told = lines.dropFirst().compactMap { $0.text.split(separator: " ").dropFirst().first.flatMap { Int($0) } }
        #expect(told.count == 20 && told.reduce(1, +) == 10_000)
        let left = bursts.lines(now: nil)
        #expect(bursts.end == nil && left.isEmpty)
    }

    @Test("A few are told of one by one, many with the first of them and their number")
    func wording() {
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
        // One keeps all it has.
        let alone = line(of: 1, rejected)
        #expect(alone?.message == "1.bin is rejected: no text" && alone?.model == "m" && alone?.corpus == "c")
        #expect(line(of: 2, rejected)?.message == "1.bin is rejected: no text; 2.bin is rejected: no text")
        #expect(
            line(of: 12_345, rejected)?.message
                == "and 12,345 further files are rejected (‘kbctl corpora --state rejected’ lists them): "
                + "1.bin is rejected: no text; 2.bin is rejected: no text; 3.bin is rejected: no text; …")
        #expect(line(of: 12_345, admitted)?.message == "and 12,345 further files are admitted: 12.3 MB")
        #expect(line(of: 12_345, admitted)?.fields == ["count": 12_345, "bytes": 12_345_000])
        func ignored(_ number: Int) -> ServiceEvent {
            ServiceEvent(.fileLeftAlone, "p\(number) stays: it is a FIFO", fields: ["name": .string("p\(number)")])
        }
        #expect(
            line(of: 1000, ignored)?.message
                == "and 1,000 more stay in the inbox, and are not read: p1, p2, p3, …")
        func problem(_ number: Int) -> ServiceEvent { ServiceEvent(.problem, "no room for \(number)") }
        #expect(
            line(of: 1000, problem)?.message
                == "and 1,000 more of the kind: no room for 1; no room for 2; no room for 3; …")
    }

    @Test("Kinds do not hold each other up, and what is rare is never held, nor told of before what it followed")
    func kinds() {
        var bursts = LogCoalescer()
        let now = ContinuousClock.now
        let later = now.advanced(by: .seconds(1))
        func serves(_ number: Int) -> ServiceEvent { ServiceEvent(.generationServes, "m \(number) serves") }
        let lines = [
            bursts.take(admitted(0), now: now), bursts.take(ServiceEvent(.problem, "a"), now: now),
            bursts.take(admitted(1), now: now), bursts.take(serves(1), now: now),
            bursts.take(serves(2), now: now),
            // A second later the next is a line at once.
            bursts.take(ServiceEvent(.problem, "b"), now: later),
        ].map { $0.map(\.message) }
        let (first, second) = (admitted(0).message, admitted(1).message)
        #expect(lines == [[first], ["a"], [], [second, "m 1 serves"], ["m 2 serves"], ["b"]])
        #expect(bursts.end == nil)
    }
}
