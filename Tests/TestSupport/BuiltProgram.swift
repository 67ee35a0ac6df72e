import Foundation
import Glibc

/// The programs that were built together with the tests.
public enum BuiltProgram {
    /// The folder of the test bundle and the programs.
    public static let folder: String = {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let length = readlink("/proc/self/exe", &buffer, buffer.count)
        return URL(filePath: String(decoding: buffer[..<max(0, length)], as: UTF8.self)).deletingLastPathComponent()
            .path
    }()

    public static func path(of name: String) -> String { "\(folder)/\(name)" }

    public static func isBuilt(_ name: String) -> Bool {
        FileManager.default.isExecutableFile(atPath: path(of: name))
    }
}
