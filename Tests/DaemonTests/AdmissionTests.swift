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

    /// Takes 1024 files in batches as `InboxService` does.
    /// - Returns: the number of offers of a file to a batch, and the number of batches
    private func offers(taking: (ClosedRange<Int>) -> Int?) -> (files: Int, batches: Int) {
        var (size, next, files, batches) = (BatchSize(most: 1024), 1, 0, 0)
        while next <= 1024 {
            let offered = next...min(1024, next + size.count - 1)
            (files, batches) = (files + offered.count, batches + 1)
            if let taken = taking(offered) {
                size.note(taken: taken)
                next += taken
            } else {
                size.noteFailure()
                if offered.count == 1 { next += 1 }
            }
        }
        return (files, batches)
    }

    @Test func lookUpsAreNotQuadraticIfBatchesAreSmall() {
        #expect(offers { min($0.count, 10) }.files < 4 * 1024)
        #expect(offers { _ in 1 }.files < 4 * 1024)
        #expect(offers { _ in nil }.files <= 2 * 1024, "each file fails")
        #expect(offers { $0.count }.batches == 1)
    }

    /// A batch ends before a file that cannot be stored, unless it is the first one.
    @Test func filesAfterOneThatCannotBeStoredAreTakenInBatches() {
        let offers = offers { files in
            guard files.contains(300) else { return files.count }
            return files.lowerBound == 300 ? nil : 300 - files.lowerBound
        }
        #expect(offers.batches < 16)
        #expect(offers.files < 4 * 1024)
    }

    /// Folders that are not similar to a model take no room.
    @Test func findsAMisspelledFolderAmongManyOthers() {
        var names = FolderNames(models: ["kantaibert"])
        for number in 0..<2000 { #expect(names.modelMeant(by: "notes of \(number)") == nil) }
        #expect(names.modelMeant(by: "kantabert") == "kantaibert")
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
