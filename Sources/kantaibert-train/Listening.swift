import Dispatch
import Glibc
import Jobs
import Training

/// Handles SIGTERM and SIGINT by asking the run to write a checkpoint and exit.
///
/// Uses a signal handler instead of a signal mask: libraries start threads before `main` begins, and a signal that one
/// of those threads does not block would terminate the process.
func listenForSignals(_ control: RunControl) {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else {
        say(
            "cannot create a pipe for signals, SIGTERM will end the run without a checkpoint: "
                + String(cString: strerror(errno)))
        return
    }
    let reading = ends[0]
    signalPipe = ends[1]
    var action = sigaction()
    action.__sigaction_handler.sa_handler = { _ in
        let cause = errno
        var byte: UInt8 = 0
        _ = write(signalPipe, &byte, 1)
        errno = cause
    }
    action.sa_flags = SA_RESTART
    sigaction(SIGTERM, &action, nil)
    sigaction(SIGINT, &action, nil)
    startThread("signals") {
        var byte: UInt8 = 0
        while read(reading, &byte, 1) == 1 { control.leave() }
    }
}

/// The write end of the pipe, used by the signal handler. Set once, before the handler is installed.
nonisolated(unsafe) private var signalPipe: Int32 = -1

/// Reads commands from standard input if it is a pipe or a socket, but not from a terminal or a file.
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
