import Foundation
import Testing

/// A shell script that stands in for `kantaibert-train`.
enum ScriptedProgram {
    /// Writes an executable script.
    /// - Returns: its path
    static func write(_ script: String, in folder: String) throws -> String {
        let path = folder + "/train.sh"
        // Another process writes it: a child process that another test starts meanwhile would inherit this process's
        // descriptor, and a file that is open for writing cannot be executed.
        let shell = Process()
        shell.executableURL = URL(filePath: "/bin/sh")
        shell.arguments = ["-c", "printf '%s' \"$1\" > \"$0\" && chmod 755 \"$0\"", path, script]
        try shell.run()
        shell.waitUntilExit()
        try #require(shell.terminationStatus == 0)
        return path
    }
}
