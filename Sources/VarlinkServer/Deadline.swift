import NIOCore

/// A movable deadline of a connection, used only on its event loop.
///
/// Because the deadline moves with every call and reply, moving it only stores the new time; the timer that is already
/// scheduled checks it when it fires.
final class Deadline {
    private let eventLoop: any EventLoop
    private let whenOver: () -> Void
    private var due: NIODeadline?
    private var timer: Scheduled<Void>?
    private var timerDue = NIODeadline.distantFuture

    init(_ eventLoop: any EventLoop, whenOver: @escaping () -> Void) {
        self.eventLoop = eventLoop
        self.whenOver = whenOver
    }

    /// - Parameter time: the time from now, or nil for no deadline.
    func move(to time: Duration?) {
        guard let time else {
            due = nil
            return
        }
        let due = NIODeadline.now() + TimeAmount(time)
        self.due = due
        if timer == nil || due < timerDue { schedule(due) }
    }

    /// Cancels the timer and thereby breaks the reference cycle between a connection and its timer.
    func end() {
        due = nil
        timer?.cancel()
        timer = nil
    }

    private func schedule(_ time: NIODeadline) {
        timer?.cancel()
        timerDue = time
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        timer = eventLoop.scheduleTask(deadline: time) { bound.value.look() }
    }

    private func look() {
        timer = nil
        guard let due else { return }
        if due > .now() { return schedule(due) }
        self.due = nil
        whenOver()
    }
}
