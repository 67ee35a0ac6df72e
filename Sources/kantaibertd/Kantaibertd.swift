import ArgumentParser
import Daemon
import Glibc
import Logging
import Systemd

/// The service: watches the inbox, trains, serves, answers.
@main
struct Kantaibertd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kantaibertd",
        abstract: "Trains language models on the text that is put into its inbox, and answers from them.",
        discussion: """
            Settings are in /etc/kantaibert/kantaibert.yaml, data in /var/lib/kantaibert. Without root or systemd: \
            kantaibertd --state-dir ./var

            SIGHUP (systemctl reload kantaibertd) reads the settings again; the log names those that need a restart.

            Exit status: 0 stopped by SIGTERM or SIGINT, 64 wrong arguments, 73 the state directory cannot be used, \
            75 another kantaibertd uses it, 78 wrong settings, 70 anything else.
            """,
        version: KantaibertService.version)

    @Option(
        help: "The settings, a YAML file. (default: /etc/kantaibert/kantaibert.yaml, where there is one)",
        completion: .file(extensions: ["yaml", "yml"]))
    var config: String?

    @Option(
        help:
            "Where everything is kept, the socket included. (default: /var/lib/kantaibert, the socket in /run/kantaibert)",
        completion: .directory)
    var stateDir: String?

    @Flag(help: "Only check the settings: say what is wrong and end with status 78, or say nothing and end with 0.")
    var checkSettings = false

    @Option(help: "The path of the socket.")
    var socket: String?

    @Option(help: "The program that trains. (default: kantaibert-train beside this program)", completion: .file())
    var trainProgram: String?

    func run() async throws {
        let environment = Place.environment()
        let path = config ?? Place.usualSettings()
        let readSettings: @Sendable () throws(SettingsError) -> Settings = { () throws(SettingsError) in
            try Settings.load(path: path, environment: environment)
        }
        let settings: Settings
        do {
            settings = try readSettings()
        } catch {
            throw failure(EX_CONFIG, "\(error)")
        }
        guard !checkSettings else { return }
        // Nothing is for others. Whether the inbox is for the group, the umask of the unit or the shell says; everything else
        // is made for the service alone.
        umask(umask(0o077) | 0o007)
        SystemdLogging.bootstrap(level: Logger.Level(rawValue: settings.logging.level) ?? .info)
        let directory = StateDirectory(root: stateDir ?? environment["STATE_DIRECTORY"] ?? "/var/lib/kantaibert")
        let options = KantaibertService.Options(
            settings: settings, directory: directory,
            socket: Place.socket(argument: socket, stateDirectory: stateDir.map { _ in directory.root }, environment),
            trainProgram: try trainProgram ?? Place.beside(program: "kantaibert-train"), readSettings: readSettings)
        do {
            try await KantaibertService(options: options, logger: Logger(label: "kantaibertd")).run()
        } catch let error as StartError {
            throw failure(error.status, "\(error)")
        } catch {
            throw failure(EX_SOFTWARE, "\(error)")
        }
    }

    private func failure(_ status: Int32, _ message: String) -> ExitCode {
        let line = Array("kantaibertd: \(message)\n".utf8)
        _ = write(STDERR_FILENO, line, line.count)
        return ExitCode(status)
    }
}
