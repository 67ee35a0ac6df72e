import Daemon
import Testing

struct AdmissionTests {
    @Test func reportsProgressEveryTenSecondsWhileManyFilesWait() {
        var progress = AdmissionProgress()
        let now = ContinuousClock.now
        #expect(progress.note(1000, waiting: 5000, now: now) == nil)
        #expect(progress.note(1000, waiting: 4000, now: now + .seconds(5)) == nil)
        let report = progress.note(1000, waiting: 3000, now: now + .seconds(10))
        #expect(report?.waiting == 3000 && report?.filesPerSecond == 200)
        #expect(progress.note(1000, waiting: 2000, now: now + .seconds(19)) == nil)
        #expect(progress.note(1000, waiting: 100, now: now + .seconds(30)) == nil, "few wait")
        #expect(progress.note(1, waiting: 101, now: now + .seconds(50)) == nil, "a new measurement")
    }

    /// For example while the disk is full, or `.kbconfig.yaml` has an error.
    @Test func reportsNoProgressWhileAllFilesWait() {
        var progress = AdmissionProgress()
        let now = ContinuousClock.now
        for second in 0...60 { #expect(progress.note(0, waiting: 500, now: now + .seconds(second)) == nil) }
        #expect(progress.note(20, waiting: 480, now: now + .seconds(65)) == nil)
        #expect(progress.note(0, waiting: 480, now: now + .seconds(70))?.filesPerSecond == 2)
    }

    @Test(arguments: [
        ("Assistant", "assistant"), ("asistant", "assistant"), ("KANTAIBERT", "kantaibert"), ("notes", nil),
        ("assistant", nil), ("assistants-archive", nil),
    ])
    func findsTheModelMeantByAFolder(folder: String, model: String?) {
        var names = FolderNames(models: ["kantaibert", "assistant"])
        #expect(names.modelMeant(by: folder) == model)
        #expect(names.modelMeant(by: folder) == nil, "once")
    }
}
