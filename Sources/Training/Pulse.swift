import Jobs

/// Lets a run say that it is alive where nothing else is told for a while. Who hears nothing at all for minutes may take
/// the process for one that hangs.
final class Pulse {
    /// What a run leaves at most between two events, as long as it gets on.
    static let seconds = 15.0

    private let report: (RunEvent.Payload) -> Void
    private var last = ContinuousClock.now
    /// SHA-256 of the corpus that is being read.
    private var corpus: String?

    init(_ report: @escaping (RunEvent.Payload) -> Void) {
        self.report = report
    }

    func tell(_ event: RunEvent.Payload) {
        last = .now
        report(event)
    }

    /// The work goes on, at this.
    func beat(_ activity: String) {
        guard last.duration(to: .now) >= .seconds(Pulse.seconds) else { return }
        tell(.working(.init(activity: activity, corpus: corpus)))
    }

    /// Says at once which corpus is read from here on, so that it is known should the process die of it; nil: none any more.
    func read(_ corpus: JobCorpus?, _ activity: String) {
        self.corpus = corpus?.sha256
        tell(.working(.init(activity: activity, corpus: corpus?.sha256)))
    }
}
