import Dispatch
import Glibc
import Jobs
import Training

/// SIGTERM and SIGINT mean "checkpoint and leave". Called before any other thread is started, which then blocks them
/// too, so that they come to the thread that waits for them and nowhere else.
func listenForSignals(_ control: RunControl) {
    var blocked = terminationSignals
    pthread_sigmask(SIG_BLOCK, &blocked, nil)
    startThread("signals") {
        var awaited = terminationSignals
        var number: Int32 = 0
        while sigwait(&awaited, &number) != 0 {}
        control.leave()
    }
}

private var terminationSignals: sigset_t {
    var signals = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, SIGTERM)
    sigaddset(&signals, SIGINT)
    return signals
}

/// Takes commands from standard input, where it is a pipe or a socket: a terminal or a file is nobody who commands.
func listenToStandardInput(_ control: RunControl) {
    var status = stat()
    guard fstat(STDIN_FILENO, &status) == 0 else { return }
    let kind = status.st_mode & S_IFMT
    guard kind == S_IFIFO || kind == S_IFSOCK else { return }
    startThread("commands") {
        while let line = readLine() {
            if let command = RunCommand(rawValue: line) {
                control.send(command)
            } else {
                let known = RunCommand.allCases.map(\.rawValue).joined(separator: ", ")
                say("standard input: expected one of \(known), found ‘\(line)’")
            }
        }
        control.leave()
    }
}

private func startThread(_ label: String, _ body: @escaping @Sendable () -> Void) {
    DispatchQueue(label: label).async(execute: body)
}
