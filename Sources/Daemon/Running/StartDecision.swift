import Datasets
import Formatting
import Jobs
import Settings

/// Whether a new run starts from the generation that serves, or from random weights. Decided without I/O.
package enum StartDecision: Sendable, Equatable {
    /// - Parameter newShare: the share of the text, in bytes, that the generation was not trained on
    case previous(JobStart, newShare: Double)
    case fresh(FreshReason)

    /// The generation that serves.
    package struct Generation: Sendable {
        package var number: Int
        package var directory: String
        package var modelSha256: String
        package var facts: TrainingFacts
        package var architecture: Architecture
        /// A later generation that started from this one and that the gate rejected in its favor.
        package var rejectedSuccessor: Int?

        package init(
            number: Int, directory: String, modelSha256: String, facts: TrainingFacts, architecture: Architecture,
            rejectedSuccessor: Int? = nil
        ) {
            self.number = number
            self.directory = directory
            self.modelSha256 = modelSha256
            self.facts = facts
            self.architecture = architecture
            self.rejectedSuccessor = rejectedSuccessor
        }
    }

    package enum Serving: Sendable {
        case nothing
        /// Other software trained it.
        case imported(Int)
        case unreadable(Int, reason: String)
        case generation(Generation)
    }

    /// The smallest share of new text with which `auto` starts from random weights.
    package static let largestNewShare = 1.0 / 3

    /// - Parameter job: the job without a start
    package init(_ setting: StartSetting, job: Job, serving: Serving) {
        do throws(FreshReason) {
            self = try StartDecision.previous(setting, job, serving)
        } catch {
            self = .fresh(error)
        }
    }

    private static func previous(
        _ setting: StartSetting, _ job: Job, _ serving: Serving
    ) throws(FreshReason) -> StartDecision {
        if setting == .fresh { throw .setting }
        let generation: Generation
        switch serving {
        case .nothing: throw .nothingServes
        case .imported(let number): throw .imported(number)
        case .unreadable(let number, let reason): throw .unreadable(number, reason)
        case .generation(let found): generation = found
        }
        let (number, facts) = (generation.number, generation.facts)
        guard !facts.corpora.isEmpty else { throw .imported(number) }
        if let successor = generation.rejectedSuccessor { throw .lost(successor, to: number) }
        let old = Set(facts.corpora.map(\.sha256))
        let removed = old.subtracting(job.corpora.map(\.sha256))
        guard removed.isEmpty else {
            throw .removed(facts.corpora.filter { removed.contains($0.sha256) }.map(\.name), number)
        }
        let new = job.corpora.filter { !old.contains($0.sha256) }
        guard !new.isEmpty else { throw .nothingNew(number) }
        if let difference = difference(job, facts) { throw .differs(difference, number) }
        if let contradiction = job.architecture.contradiction(to: generation.architecture) {
            throw .architecture(contradiction)
        }
        func bytes(_ corpora: [JobCorpus]) -> Double { corpora.reduce(0) { $0 + Double(max($1.bytes, 1)) } }
        let newShare = bytes(new) / bytes(job.corpora)
        let warmStarts = facts.warmStarts ?? 0
        if setting == .auto {
            guard newShare < largestNewShare else { throw .muchNew(newShare) }
            guard warmStarts < JobStart.mostWarmStarts else { throw .manyWarmStarts(warmStarts) }
        }
        let start = JobStart(
            generation: number, directory: generation.directory, modelSha256: generation.modelSha256,
            corpora: old.sorted(), warmStarts: min(max(warmStarts, 0), .max - 1) + 1)
        return .previous(start, newShare: newShare)
    }

    /// Describes what would change the samples of the old text, or which of them are held out; nil if nothing does.
    private static func difference(_ job: Job, _ facts: TrainingFacts) -> String? {
        guard facts.objective == job.objective else { return "the objective" }
        guard facts.layoutVersion == CorpusLayout.version else {
            return "the version of the rules that divide text into samples"
        }
        let corpora = Dictionary(job.corpora.map { ($0.sha256, $0) }) { first, _ in first }
        for old in facts.corpora {
            guard let corpus = corpora[old.sha256] else { continue }
            guard (old.filters ?? facts.filters) == (corpus.filters ?? job.filters) else {
                return "the filters of \(corpus.name)"
            }
            guard (old.samples ?? facts.samples) == (corpus.samples ?? job.samples) else {
                return "the samples of \(corpus.name)"
            }
        }
        // Otherwise, text that the generation was trained on would be held out, and the model judged on it.
        guard let share = facts.heldOut, share >= job.recipe.heldOut else { return "the share held_out" }
        guard facts.heldOutByHash == true else {
            return "the held-out text, whose choice depends on all of the text if there is little of it,"
        }
        return nil
    }
}

/// Why a run starts from random weights.
package enum FreshReason: Error, Sendable, Equatable, CustomStringConvertible {
    case setting
    case nothingServes
    case imported(Int)
    case unreadable(Int, String)
    /// Names of the corpora that a generation was trained on and that were removed since.
    case removed([String], Int)
    case nothingNew(Int)
    case muchNew(Double)
    case differs(String, Int)
    case architecture(String)
    case manyWarmStarts(Int)
    /// The first generation started from the second, and was not promoted.
    case lost(Int, to: Int)

    /// Whether the reason is reported if `start` is `auto`. Reasons that the user expects are not.
    package var isNotable: Bool { self != .setting && self != .nothingServes }

    package var description: String {
        switch self {
        case .setting: "‘start’ is fresh"
        case .nothingServes: "no generation serves yet"
        case .imported(let number): "generation \(number), which serves, was not trained here"
        case .unreadable(let number, let reason): "generation \(number), which serves, cannot be read: \(reason)"
        case .removed(let names, let number):
            """
            generation \(number) was trained on text that was removed since (\
            \(names.prefix(3).joined(separator: ", "))\(names.count > 3 ? ", …" : "")), which the model would not forget
            """
        case .nothingNew(let number): "generation \(number) was trained on the same text"
        case .muchNew(let share):
            "\(MessageFormat.fixed(share * 100, 0)) % of the text is new, a third or more (‘start: previous’ ignores that)"
        case .differs(let what, let number): "generation \(number) was trained with other settings: \(what) changed"
        case .architecture(let contradiction): contradiction
        case .manyWarmStarts(let count):
            "the last \(count) generations each started from the one before (‘start: previous’ ignores that)"
        case .lost(let successor, let number):
            "generation \(successor), which started from generation \(number), was not promoted"
        }
    }
}
