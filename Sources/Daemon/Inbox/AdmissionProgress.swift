import Events
import Formatting
import Varlink

/// Measures how fast files are admitted while many wait, for a progress report every ten seconds. A pure value type.
package struct AdmissionProgress {
    package struct Report: Equatable {
        package let waiting: Int
        package let filesPerSecond: Double
    }

    private static let interval = Duration.seconds(10)
    /// No progress is reported while at most this many files wait.
    private static let fewFiles = 100

    /// When the measurement began; nil while few files wait.
    private var began: ContinuousClock.Instant?
    private var count = 0

    package init() {}

    /// - Parameters:
    ///   - count: number of files that were admitted or rejected since the last call
    ///   - waiting: number of files in the inbox
    /// - Returns: the report that is due, if any; nil if all files only wait
    package mutating func note(_ count: Int, waiting: Int, now: ContinuousClock.Instant) -> Report? {
        guard waiting > Self.fewFiles else {
            began = nil
            return nil
        }
        guard let began else {
            self.began = now
            self.count = 0
            return nil
        }
        self.count += count
        let elapsed = now - began
        guard elapsed >= Self.interval else { return nil }
        defer { (self.began, self.count) = (now, 0) }
        guard self.count > 0 else { return nil }
        return Report(waiting: waiting, filesPerSecond: Double(self.count) / (elapsed / .seconds(1)))
    }
}

extension ServiceEvent {
    init(_ progress: AdmissionProgress.Report) {
        let rate = progress.filesPerSecond
        let left = rate > 0 ? ", \(MessageFormat.duration(Double(progress.waiting) / rate)) left" : ""
        self.init(
            .inboxProgress,
            "\(MessageFormat.count(progress.waiting)) files wait in the inbox: "
                + "\(MessageFormat.count(Int(rate.rounded()))) files/s\(left)",
            fields: ["waiting": .int(progress.waiting), "files_per_second": .double(rate)])
    }
}
