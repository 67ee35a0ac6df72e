import Foundation
import Glibc
import TestSupport

/// The programs that were built together with the tests.
enum Programs {
    static let folder = BuiltProgram.folder

    static let areBuilt = ["kantaibertd", "kantaibert-train", "kantaibert-read", "kbctl"].allSatisfy(
        BuiltProgram.isBuilt)

    static let missing =
        "kantaibertd, kantaibert-train, kantaibert-read and kbctl are not next to the tests: build all products first"

    struct Output {
        var status: Int32
        var output: String
        var error: String

        func json<Value: Decodable>(_ type: Value.Type) throws -> Value {
            try JSONDecoder().decode(type, from: Data(output.utf8))
        }
    }

    /// Runs a system command and returns its exit status.
    static func command(_ words: [String]) throws -> Int32 {
        let process = Process()
        process.executableURL = URL(filePath: words[0])
        process.arguments = Array(words.dropFirst())
        try process.run()
        process.waitUntilExit()
        return process.terminationStatus
    }

    /// Runs a program and returns its exit status and output.
    /// - Parameters:
    ///   - name: a program of this project, or the full path of another program
    ///   - environment: variables to add to or replace in the tests' environment
    ///   - meanwhile: called after the program has been started
    static func run(
        _ name: String, _ arguments: [String], environment: [String: String] = [:],
        meanwhile: (Process) throws -> Void = { _ in }
    ) throws -> Output {
        let process = Process()
        process.executableURL = URL(filePath: name.hasPrefix("/") ? name : "\(folder)/\(name)")
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        // Files instead of pipes: a pipe could fill up while the other one is read.
        let scratch = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: scratch, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: scratch) }
        var texts: [URL] = []
        for name in ["output", "error"] {
            let file = scratch.appending(path: name)
            try Data().write(to: file)
            texts.append(file)
        }
        process.standardOutput = try FileHandle(forWritingTo: texts[0])
        process.standardError = try FileHandle(forWritingTo: texts[1])
        try process.run()
        try meanwhile(process)
        process.waitUntilExit()
        return Output(
            status: process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus,
            output: String(decoding: try Data(contentsOf: texts[0]), as: UTF8.self),
            error: String(decoding: try Data(contentsOf: texts[1]), as: UTF8.self))
    }
}
