import FoundationEssentials
import Glibc
import Jobs

/// Standard output as the events of a run: each a whole line, written at once.
final class EventOutput {
    private let lost: () -> Void
    private var isLost = false

    /// - Parameter lost: called once when nobody reads any more
    init(lost: @escaping () -> Void) {
        self.lost = lost
        signal(SIGPIPE, SIG_IGN)
    }

    func write(_ payload: RunEvent.Payload) {
        guard !isLost else { return }
        var line: Data
        do {
            line = try JobCoding.encode(RunEvent(payload))
        } catch {
            say("an event could not be written: \(error)")
            return
        }
        line.append(UInt8(ascii: "\n"))
        var rest = line[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if written < 0 {
                if errno == EINTR { continue }
                say("nobody reads the events any more: \(String(cString: strerror(errno)))")
                isLost = true
                lost()
                return
            }
            rest = rest.dropFirst(written)
        }
    }
}
