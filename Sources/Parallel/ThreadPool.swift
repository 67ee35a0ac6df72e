import FoundationEssentials
import Glibc
import Synchronization

/// The thread pool for compute work.
///
/// Items are handed out one at a time to idle threads, so that a slow core processes fewer of them. An item's result
/// must not depend on the thread that runs it. Only one call uses the pool at a time and others wait: a product that
/// needs the whole cache gains nothing from sharing it.
public final class ThreadPool: @unchecked Sendable {
    // @unchecked: `job` and `generation` are accessed only while holding `lock`; everything else
    // is atomic or immutable.

    /// The shared pool, with `KANTAIBERT_THREADS` threads, or one thread for each core available to this process.
    public static let shared = ThreadPool(threads: defaultThreads())

    /// The number of threads that work on a call, including the caller's.
    public let threads: Int

    private let callLock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let wake = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let done = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var job: Job?
    private var generation = 0
    /// A copy of `generation` for workers that spin before they sleep.
    private let announced = Atomic<Int>(0)
    /// Number of workers that have not finished the current job.
    private let busy = Atomic<Int>(0)
    /// How many times to poll before sleeping: consecutive products are microseconds apart.
    private static let maximumSpins = 20_000

    private struct Job {
        let count: Int
        let next: UnsafeMutablePointer<Atomic<Int>>
        /// Points to the caller's closure; a worker does not use it after its last call.
        let body: UnsafePointer<(Int) -> Void>
    }

    /// - Parameter threads: at least 1; with 1, everything runs on the calling thread.
    public init(threads: Int) {
        precondition(threads >= 1)
        self.threads = threads
        pthread_mutex_init(callLock, nil)
        pthread_mutex_init(lock, nil)
        pthread_cond_init(wake, nil)
        pthread_cond_init(done, nil)
        for index in 1..<max(threads, 1) {
            var thread = pthread_t()
            let this = Unmanaged.passUnretained(self).toOpaque()
            let status = pthread_create(
                &thread, nil,
                { argument in
                    Unmanaged<ThreadPool>.fromOpaque(argument!).takeUnretainedValue().work()
                    return nil
                }, this)
            precondition(status == 0, "cannot start thread \(index): \(status)")
            pthread_detach(thread)
        }
    }

    /// Calls `body` with each of `0..<count`, in any order and on any thread of the pool, and returns
    /// when all are done.
    ///
    /// `body` may call `forEach` on the same pool: the inner call then runs on the calling thread only.
    public func forEach(_ count: Int, _ body: (Int) -> Void) {
        if count <= 1 || threads == 1 || ThreadPool.isWorking {
            for index in 0..<max(count, 0) { body(index) }
            return
        }
        withoutActuallyEscaping(body) { body in
            withUnsafePointer(to: body) { body in
                withUnsafeTemporaryAllocation(of: Atomic<Int>.self, capacity: 1) { next in
                    next.baseAddress!.initialize(to: Atomic(0))
                    runTogether(Job(count: count, next: next.baseAddress!, body: body))
                    next.baseAddress!.deinitialize(count: 1)
                }
            }
        }
    }

    private func runTogether(_ job: Job) {
        pthread_mutex_lock(callLock)
        defer { pthread_mutex_unlock(callLock) }
        pthread_mutex_lock(lock)
        self.job = job
        generation += 1
        busy.store(threads - 1, ordering: .relaxed)
        announced.store(generation, ordering: .releasing)
        pthread_cond_broadcast(wake)
        pthread_mutex_unlock(lock)

        ThreadPool.isWorking = true
        run(job)
        ThreadPool.isWorking = false

        var spins = 0
        while busy.load(ordering: .acquiring) > 0 && spins < ThreadPool.maximumSpins { spins += 1 }
        pthread_mutex_lock(lock)
        while busy.load(ordering: .acquiring) > 0 { pthread_cond_wait(done, lock) }
        self.job = nil
        pthread_mutex_unlock(lock)
    }

    @inline(never)
    private func run(_ job: Job) {
        while true {
            let index = job.next.pointee.wrappingAdd(1, ordering: .relaxed).oldValue
            if index >= job.count { return }
            job.body.pointee(index)
        }
    }

    private func work() {
        ThreadPool.isWorking = true
        var seen = 0
        while true {
            var spins = 0
            while announced.load(ordering: .acquiring) == seen && spins < ThreadPool.maximumSpins { spins += 1 }
            pthread_mutex_lock(lock)
            while generation == seen || job == nil { pthread_cond_wait(wake, lock) }
            seen = generation
            let mine = job!
            pthread_mutex_unlock(lock)
            run(mine)
            if busy.wrappingSubtract(1, ordering: .acquiringAndReleasing).newValue == 0 {
                pthread_mutex_lock(lock)
                pthread_cond_signal(done)
                pthread_mutex_unlock(lock)
            }
        }
    }

    /// Whether this thread is currently running a `forEach`.
    private static var isWorking: Bool {
        get { pthread_getspecific(workingKey) != nil }
        set { pthread_setspecific(workingKey, newValue ? UnsafeRawPointer(bitPattern: 1) : nil) }
    }

    private static let workingKey: pthread_key_t = {
        var key = pthread_key_t()
        precondition(pthread_key_create(&key, nil) == 0)
        return key
    }()

    private static func defaultThreads() -> Int {
        let processInfo = ProcessInfo.processInfo
        if let wanted = processInfo.environment["KANTAIBERT_THREADS"].flatMap(Int.init), wanted >= 1 { return wanted }
        return processInfo.activeProcessorCount
    }
}
