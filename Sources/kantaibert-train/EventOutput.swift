import FoundationEssentials
import Glibc
import Jobs

/// Writes the events of a run to standard output, one JSON object per line, without buffering.
final class EventOutput {
    private let lost: () -> Void
    private var isLost = false

    /// - Parameter lost: called once when the reader of standard output is gone
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
            say("cannot encode an event: \(error)")
            return
        }
        line.append(UInt8(ascii: "\n"))
        var rest = line[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if written < 0 {
                if errno == EINTR { continue }
                say("cannot write events to standard output: \(String(cString: strerror(errno)))")
                isLost = true
                lost()
                return
            }
            rest = rest.dropFirst(written)
        }
    }
}
