import Foundation

/// Runs blocking code on a thread of its own, within the calling task.
///
/// The servers and clients of other tests share the few threads of Swift concurrency: a test that waits in `poll`, `read` or
/// `waitpid` on one of them holds all of them up. Expectations that fail in `body` belong to the test that calls this.
public func blocking<R>(_ body: () throws -> R) async throws -> R {
    try await withTaskExecutorPreference(ThreadExecutor()) { try body() }
}

/// Runs each job on a new thread.
private final class ThreadExecutor: TaskExecutor {
    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        Thread.detachNewThread { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
