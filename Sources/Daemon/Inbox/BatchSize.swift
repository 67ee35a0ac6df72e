/// The number of files to take as the next batch. A pure value type.
///
/// Offered files that a batch does not take have to be looked up again for the next one, so the number follows how many
/// files the last batches took. After a batch that failed, files are taken one by one until one succeeds.
package struct BatchSize {
    package private(set) var count: Int
    private let most: Int

    package init(most: Int) {
        self.most = most
        count = most
    }

    /// Notes that the first `taken` of the offered files were handled.
    package mutating func note(taken: Int) { count = min(most, max(1, taken) * 2) }

    package mutating func noteFailure() { count = 1 }
}
