import Synchronization

/// Shares work among callers who need the same result: the work is done once for all of them, its result is cached for
/// a limited time, and it is cancelled when no caller is waiting any more.
package final class SharedWork<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private struct Flight {
        var number: Int
        var task: Task<Void, Never>
        var waiters: [Int: CheckedContinuation<Value, any Error>]
    }

    private struct State {
        var flights: [Key: Flight] = [:]
        /// The newest cancelled work that has not ended yet: the next one starts after it.
        var ending: Task<Void, Never>?
        var kept: [Key: (value: Value, until: ContinuousClock.Instant)] = [:]
        var next = 0
    }

    private let keptFor: Duration
    private let most: Int
    private let state = Mutex(State())

    /// - Parameters:
    ///   - keptFor: how long a result is valid
    ///   - most: the maximum number of results kept
    package init(keptFor: Duration, most: Int = 1) {
        self.keptFor = keptFor
        self.most = most
    }

    /// - Parameter work: cancelled when the tasks of all callers are cancelled
    /// - Throws: `CancellationError` as soon as the caller's task is cancelled, and what `work` throws
    package func value(
        for key: Key, _ work: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        let (kept, waiter) = state.withLock { state in
            state.next += 1
            state.kept = state.kept.filter { $0.value.until > .now }
            return (state.kept[key]?.value, state.next)
        }
        if let kept { return kept }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let joins = state.withLock { state in
                    // The task may have been cancelled before the continuation was stored.
                    guard !Task.isCancelled else { return false }
                    if state.flights[key] == nil {
                        state.flights[key] = begin(key, number: waiter, after: state.ending, work)
                    }
                    state.flights[key]?.waiters[waiter] = continuation
                    return true
                }
                if !joins { continuation.resume(throwing: CancellationError()) }
            }
        } onCancel: {
            leave(key, waiter)
        }
    }

    private func begin(
        _ key: Key, number: Int, after ending: Task<Void, Never>?,
        _ work: @escaping @Sendable () async throws -> Value
    ) -> Flight {
        let task = Task.detached { [self] in
            await ending?.value
            let result: Result<Value, any Error>
            do {
                try Task.checkCancellation()
                result = .success(try await work())
            } catch {
                result = .failure(error)
            }
            land(key, number, result)
        }
        return Flight(number: number, task: task, waiters: [:])
    }

    private func land(_ key: Key, _ number: Int, _ result: Result<Value, any Error>) {
        let waiters = state.withLock { state -> [CheckedContinuation<Value, any Error>] in
            guard let flight = state.flights[key], flight.number == number else { return [] }
            state.flights[key] = nil
            if case .success(let value) = result {
                if state.kept.count >= most, let oldest = state.kept.min(by: { $0.value.until < $1.value.until })?.key {
                    state.kept[oldest] = nil
                }
                state.kept[key] = (value, .now + keptFor)
            }
            return Array(flight.waiters.values)
        }
        for waiter in waiters { waiter.resume(with: result) }
    }

    private func leave(_ key: Key, _ waiter: Int) {
        let continuation = state.withLock { state -> CheckedContinuation<Value, any Error>? in
            guard var flight = state.flights[key], let continuation = flight.waiters.removeValue(forKey: waiter) else {
                return nil
            }
            if flight.waiters.isEmpty {
                flight.task.cancel()
                state.ending = flight.task
                state.flights[key] = nil
            } else {
                state.flights[key] = flight
            }
            return continuation
        }
        continuation?.resume(throwing: CancellationError())
    }
}
