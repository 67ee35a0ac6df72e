import NIOCore

/// A time by which something must have happened on a connection; used on its event loop alone.
///
/// It moves with every call and reply, so moving costs nothing but a number: the one timer that runs looks at it again.
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

    /// - Parameter time: from now; nil: never
    func move(to time: Duration?) {
        guard let time else {
            due = nil
            return
        }
        let due = NIODeadline.now() + TimeAmount(time)
        self.due = due
        if timer == nil || due < timerDue { schedule(due) }
    }

    /// No more. Breaks the circle between a connection and its timer.
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
