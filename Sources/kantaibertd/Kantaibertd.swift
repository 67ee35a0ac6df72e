import ArgumentParser
import Daemon
import Formatting
import Glibc
import Logging
import Settings
import Systemd

/// The service: watches the inbox, trains models and answers requests.
@main
struct Kantaibertd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kantaibertd",
        abstract: "Trains language models on the text in its inbox and answers requests with them.",
        discussion: """
            The settings are in /etc/kantaibert/kantaibert.yaml, the data in /var/lib/kantaibert. To run without root \
            or systemd: kantaibertd --state-dir ./var

            SIGHUP (systemctl reload kantaibertd) reloads the settings; the log names the settings that need a restart.

            Exit status: 0 stopped by SIGTERM or SIGINT, 64 invalid arguments, 73 the state directory cannot be used, \
            75 another kantaibertd is using it, 78 invalid settings, 70 any other error.
            """,
        version: Release.version)

    @Option(
        help: "The settings file, in YAML. (default: /etc/kantaibert/kantaibert.yaml, if it exists)",
        completion: .file(extensions: ["yaml", "yml"]))
    var config: String?

    @Option(
        help:
            "The directory for all data and the socket. (default: /var/lib/kantaibert, the socket in /run/kantaibert)",
        completion: .directory)
    var stateDir: String?

    @Flag(help: "Only check the settings: exit with status 0 if they are valid, else print the error and exit with 78.")
    var checkSettings = false

    @Option(help: "Path of the socket.")
    var socket: String?

    @Option(help: "Path of the training program. (default: kantaibert-train next to this program)", completion: .file())
    var trainProgram: String?

    @Option(
        help:
            "Path of the program that reads files that are not plain UTF-8. (default: kantaibert-read next to this program)",
        completion: .file())
    var readProgram: String?

    func run() async throws {
        let environment = DefaultPaths.environment()
        let path = config ?? DefaultPaths.defaultSettings()
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
        // Files are created without permissions for others. The umask of the unit or the shell decides whether the
        // inbox is accessible to the group; everything else is created for the service's user only.
        umask(umask(0o077) | 0o007)
        SystemdLogging.bootstrap(level: Logger.Level(rawValue: settings.logging.level) ?? .info)
        let directory = StateDirectory(root: stateDir ?? environment["STATE_DIRECTORY"] ?? "/var/lib/kantaibert")
        let options = KantaibertService.Options(
            settings: settings, directory: directory,
            socket: DefaultPaths.socket(
                argument: socket, stateDirectory: stateDir.map { _ in directory.root }, environment),
            trainProgram: try trainProgram ?? DefaultPaths.beside(program: "kantaibert-train"),
            readProgram: try readProgram ?? DefaultPaths.beside(program: "kantaibert-read"),
            readSettings: readSettings)
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
