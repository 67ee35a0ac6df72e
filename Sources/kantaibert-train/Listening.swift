import Dispatch
import Glibc
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
    // A launcher may pass on that its thread blocks them.
    var stopping = sigset_t()
    sigemptyset(&stopping)
    sigaddset(&stopping, SIGTERM)
    sigaddset(&stopping, SIGINT)
    pthread_sigmask(SIG_UNBLOCK, &stopping, nil)
    sigaction(SIGTERM, &action, nil)
    sigaction(SIGINT, &action, nil)
    startThread("signals") {
        var byte: UInt8 = 0
        while read(reading, &byte, 1) == 1 { control.leave() }
    }
}

/// The write end of the pipe, used by the signal handler. Set once, before the handler is installed.
nonisolated(unsafe) private var signalPipe: Int32 = -1

/// Treats the end of standard input as a request to leave: the service holds the other end, and closes it or dies.
///
/// A terminal or a file is ignored, since it is not held open by a parent process.
func listenToStandardInput(_ control: RunControl) {
    var status = stat()
    guard fstat(STDIN_FILENO, &status) == 0 else { return }
    let kind = status.st_mode & S_IFMT
    guard kind == S_IFIFO || kind == S_IFSOCK else { return }
    startThread("standard input") {
        var byte: UInt8 = 0
        var count = 1
        while count > 0 || (count < 0 && errno == EINTR) { count = read(STDIN_FILENO, &byte, 1) }
        control.leave()
    }
}

private func startThread(_ label: String, _ body: @escaping @Sendable () -> Void) {
    DispatchQueue(label: label).async(execute: body)
}
