/// A cancellation check. Passed to every loop whose length depends on the contents of a file.
package struct Interruption: Sendable {
    let isCancelled: @Sendable () -> Bool

    package init(isCancelled: @escaping @Sendable () -> Bool) { self.isCancelled = isCancelled }

    /// - Throws: `ReadingInterrupted`
    package func check() throws {
        if isCancelled() { throw ReadingInterrupted() }
    }
}
