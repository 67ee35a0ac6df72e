import ArgumentParser
import Glibc
import Interface
import Varlink

struct SettingsList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "settings", abstract: "List the settings in force, and where each comes from.",
        discussion: """
            The place is default, a line of a settings file, or an environment variable, which overrides the file. \
            kantaibert.yaml(5) describes each key. A setting marked with ! has another value in that place, which takes \
            effect when the service is restarted.
            """)

    @Argument(help: "Only keys that begin with this, such as schedule or the name of a model.", completion: .models)
    var prefix: String?
    @Flag(help: "Only settings that are not defaults.") var changed = false

    @OptionGroup var global: GlobalOptions

    func run() throws {
        var reply = try global.connect().call(ManagerInterface.GetSettings.self, .init())
        let isAny = reply.settings.contains { isNamed($0.key) }
        reply.settings.removeAll { !isNamed($0.key) || changed && $0.source == .default }
        if global.json { return try Terminal.json(reply) }
        if let prefix, !isAny {
            throw Failure("no setting begins with ‘\(prefix)’; ‘kbctl settings’ lists them", status: EX_NOINPUT)
        }
        var table = Table([("KEY", .left), ("VALUE", .left), ("FROM", .left)], elastic: [1, 2])
        for setting in reply.settings {
            table.add(
                [setting.key, setting.value, setting.place ?? setting.source.rawValue],
                warnings: setting.awaitsRestart
                    ? ["this value was in force at the start; the new one needs a restart of the service"] : [])
        }
        table.print(empty: changed ? "all settings are defaults" : nil)
    }

    private func isNamed(_ key: String) -> Bool {
        prefix.map { key == $0 || key.hasPrefix($0.hasSuffix(".") ? $0 : "\($0).") } ?? true
    }
}
