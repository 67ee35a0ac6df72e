import FoundationEssentials
import Glibc
import Synchronization

/// The thread pool for compute work.
///
/// Items are handed out one at a time to idle threads, so that a slow core processes fewer of them. An item's result
/// must not depend on the thread that runs it. Only one call uses the pool at a time and others wait: a product that
/// needs the whole cache gains nothing from sharing it.
///
/// A call returns once its items are done, without waiting for workers that have not begun by then: while other programs
/// use the cores, a worker may get one long after the caller has processed every item itself.
public final class ThreadPool: @unchecked Sendable {
    // @unchecked: `job` is written while `entrance` is closed and no worker is inside, and read only by the caller and by
    // workers inside; everything else is atomic or immutable.

    /// The shared pool, with `KANTAIBERT_THREADS` threads, or one for each core of this process's share.
    public static let shared = ThreadPool(threads: defaultThreads())

    /// The number of threads that work on a call, including the caller's.
    public let threads: Int

    private let callLock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    /// Held by threads that go to sleep or wake others.
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let wake = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let done = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var job: Job?
    private let entrance = Atomic<UInt64>(0)
    /// Whether a worker has gone to sleep since the last wake-up. Written only while holding `lock`.
    private let hasSleepers = Atomic<Bool>(false)
    /// How many times to poll before sleeping: consecutive products are microseconds apart.
    private static let maximumSpins = 20_000

    /// The value of `entrance`, in one word, so that a worker either enters the current call or learns that it is over.
    private struct Entrance {
        private static let (open, worker, call): (UInt64, UInt64, UInt64) = (1, 1 << 1, 1 << 16)
        static let mostWorkers = Int(call / worker) - 1

        var word: UInt64

        /// Whether workers may enter the call.
        var isOpen: Bool { word & Self.open != 0 }
        /// Number of workers that have entered the call and not left it.
        var inside: UInt64 { word % Self.call / Self.worker }
        /// Number of the call.
        var call: UInt64 { word / Self.call }
        /// The next call, open and without workers.
        var next: Entrance { Entrance(word: (call &+ 1) &* Self.call | Self.open) }
        var entered: Entrance { Entrance(word: word + Self.worker) }

        /// Closes the call to workers that have not entered it.
        static func close(_ entrance: borrowing Atomic<UInt64>) {
            entrance.subtract(open, ordering: .acquiringAndReleasing)
        }

        static func leave(_ entrance: borrowing Atomic<UInt64>) -> Entrance {
            Entrance(word: entrance.subtract(worker, ordering: .acquiringAndReleasing).newValue)
        }
    }

    private struct Job {
        let count: Int
        let next: UnsafeMutablePointer<Atomic<Int>>
        /// Points to the caller's closure; a worker does not use it after its last call.
        let body: UnsafePointer<(Int) -> Void>
    }

    /// - Parameter threads: at least 1; with 1, everything runs on the calling thread.
    public convenience init(threads: Int) {
        self.init(threads: threads, startingWorkers: true)
    }

    /// - Parameter startingWorkers: false leaves that to `startWorkers`; until then, callers process all items themselves
    package init(threads: Int, startingWorkers: Bool) {
        precondition((1...Entrance.mostWorkers).contains(threads))
        self.threads = threads
        pthread_mutex_init(callLock, nil)
        pthread_mutex_init(lock, nil)
        pthread_cond_init(wake, nil)
        pthread_cond_init(done, nil)
        if startingWorkers { startWorkers() }
    }

    /// Must be called once.
    package func startWorkers() {
        for index in 1..<threads {
            var thread = pthread_t()
            // A pool lives as long as its workers, which never end; it may be released before they begin.
            let this = Unmanaged.passRetained(self).toOpaque()
            let status = pthread_create(
                &thread, nil,
                { argument in
                    Unmanaged<ThreadPool>.fromOpaque(argument!).takeRetainedValue().work()
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
        self.job = job
        // Sequentially consistent with `sleep`: either the worker sees the call, or the caller sees the sleeper.
        let last = Entrance(word: entrance.load(ordering: .relaxed))
        entrance.store(last.next.word, ordering: .sequentiallyConsistent)
        if hasSleepers.load(ordering: .sequentiallyConsistent) {
            pthread_mutex_lock(lock)
            hasSleepers.store(false, ordering: .relaxed)
            pthread_cond_broadcast(wake)
            pthread_mutex_unlock(lock)
        }

        ThreadPool.isWorking = true
        run(job)
        ThreadPool.isWorking = false

        Entrance.close(entrance)
        var spins = 0
        while current.inside > 0 && spins < ThreadPool.maximumSpins { spins += 1 }
        guard current.inside > 0 else { return }
        pthread_mutex_lock(lock)
        while current.inside > 0 { pthread_cond_wait(done, lock) }
        pthread_mutex_unlock(lock)
    }

    private var current: Entrance { Entrance(word: entrance.load(ordering: .acquiring)) }

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
        var seen: UInt64 = 0
        while true {
            var spins = 0
            while !mayEnter(after: seen) && spins < ThreadPool.maximumSpins { spins += 1 }
            if spins == ThreadPool.maximumSpins { sleep(after: seen) }
            let call = current
            // The call may have ended in the meantime.
            guard call.isOpen, call.call != seen,
                entrance.compareExchange(
                    expected: call.word, desired: call.entered.word, ordering: .acquiringAndReleasing
                ).exchanged
            else { continue }
            seen = call.call
            run(job!)
            let left = Entrance.leave(entrance)
            if !left.isOpen && left.inside == 0 {
                pthread_mutex_lock(lock)
                pthread_cond_signal(done)
                pthread_mutex_unlock(lock)
            }
        }
    }

    /// - Parameter seen: number of the last call that the worker entered
    private func mayEnter(after seen: UInt64) -> Bool {
        let call = current
        return call.isOpen && call.call != seen
    }

    /// Sleeps until there is a call to enter.
    private func sleep(after seen: UInt64) {
        pthread_mutex_lock(lock)
        while true {
            hasSleepers.store(true, ordering: .sequentiallyConsistent)
            let call = Entrance(word: entrance.load(ordering: .sequentiallyConsistent))
            if call.isOpen && call.call != seen { break }
            pthread_cond_wait(wake, lock)
        }
        pthread_mutex_unlock(lock)
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
        return max(1, processInfo.activeProcessorCount / processesOnHost.load(ordering: .relaxed))
    }

    private static let processesOnHost = Atomic(1)

    /// Divides the cores available to this process among several that may use the same ones. Must be called before the
    /// shared pool is used.
    public static func shareCores(processes: Int) { processesOnHost.store(max(1, processes), ordering: .relaxed) }
}
