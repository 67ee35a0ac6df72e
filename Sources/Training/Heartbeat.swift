import Jobs

/// Emits a heartbeat event if a run has reported nothing for a while. Without events, the service treats
/// the run as hung.
final class Heartbeat {
    /// Maximum time between two events of a working run, in seconds.
    static let seconds = 15.0

    private let report: (RunEvent.Payload) -> Void
    private var last = ContinuousClock.now
    /// SHA-256 of the corpus that is being read, or nil.
    private var corpus: String?

    init(_ report: @escaping (RunEvent.Payload) -> Void) {
        self.report = report
    }

    func tell(_ event: RunEvent.Payload) {
        last = .now
        report(event)
    }

    /// Emits a `working` event with the given activity if the last event is old enough.
    func beat(_ activity: String) {
        guard last.duration(to: .now) >= .seconds(Heartbeat.seconds) else { return }
        tell(.working(.init(activity: activity, corpus: corpus)))
    }

    /// Reports immediately that reading of a corpus begins, so that a crash can be attributed to it;
    /// nil ends the reading.
    func read(_ corpus: JobCorpus?, _ activity: String) {
        self.corpus = corpus?.sha256
        tell(.working(.init(activity: activity, corpus: corpus?.sha256)))
    }
}
