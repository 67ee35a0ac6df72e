import Jobs

extension TrainingFacts {
    private static let mostFilters = 100

    /// Reads the facts of a model that is about to serve, and checks their numbers.
    /// - Parameter longestSequence: the longest sequence that the model has positions for
    /// - Returns: nil if the directory does not have the file, because other software wrote it
    /// - Throws: `InferenceError.load` if the file cannot be read or its numbers do not fit the model
    package static func read(directory: String, longestSequence: Int) throws(InferenceError) -> TrainingFacts? {
        let path = "\(directory)/\(TrainingArguments.fileName)"
        let read: TrainingFacts?
        do {
            read = try TrainingFacts.read(directory: directory)
        } catch {
            throw .load(path: path, reason: "\(error)")
        }
        guard let facts = read else { return nil }
        guard (2...longestSequence).contains(facts.longestPosition) else {
            throw .load(
                path: path,
                reason: "`longest_position` is \(facts.longestPosition), expected 2 to \(longestSequence)")
        }
        guard facts.filters.count <= mostFilters else {
            throw .load(
                path: path,
                reason: "`filters` has \(facts.filters.count) elements, expected at most \(mostFilters)")
        }
        return facts
    }
}
