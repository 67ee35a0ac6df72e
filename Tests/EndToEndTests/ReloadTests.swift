import Foundation
import Glibc
import Interface
import Testing

@Suite(
    "Reloading settings", .serialized, .timeLimit(.minutes(30)),
    .enabled(if: Programs.areBuilt, "\(Programs.missing)"))
struct ReloadTests {
    @Test("SIGHUP reloads settings, rejects invalid ones and names those that need a restart")
    func reloadsSettings() throws {
        let service = try RunningService(settings: EndToEndTests.smallest)
        try service.start()
        let events = try service.watch()
        let waits = EndToEndTests.smallest + "\nsocket:\n  mode: \"0600\"\nlogging:\n  level: warning"
        try service.reload(settings: waits)
        #expect(service.notified("RELOADING=1") && service.notified("READY=1"), "\(service.logText)")
        let reloaded = try events.first("settings_reloaded")
        #expect(reloaded.message.hasSuffix("a restart is needed for socket.mode"), "\(reloaded.message)")
        // The new level applies to later messages: `notice` is below it.
        try service.reload(settings: EndToEndTests.smallest + "\nlogging:\n  level: warning")
        #expect(try events.first("settings_reloaded").message == "the settings were reloaded")
        #expect(service.logText.components(separatedBy: "settings were reloaded").count == 1)

        try service.reload(settings: "inbox:\n  stable: soon")
        let refused = try events.first("settings_refused")
        #expect(refused.message.contains("inbox.stable: expected a duration"), "\(refused.message)")
        #expect(service.logText.contains(refused.message))
        let checked = try Programs.run(
            "kantaibertd", ["--config", service.folder + "/kantaibert.yaml", "--check-settings"])
        #expect(checked.status == 78)
        #expect(checked.error.contains("inbox.stable: expected a duration"))
        #expect(try service.kbctl("status").status == 0)
        #expect(try service.stop().status == 0)
    }
}
