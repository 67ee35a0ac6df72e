import Foundation
import Testing

/// The manual pages that `make man` writes, as man-db and mandoc show them.
@Suite(.enabled(if: Pages.areBuilt, "needs kb-man and the programs next to the tests"), .timeLimit(.minutes(15)))
struct ManTests {
    let pages: Pages

    init() throws { pages = try Pages() }

    @Test(
        .enabled(if: Tool.path("groff") != nil || Tool.path("mandoc") != nil, "needs groff or mandoc"),
        arguments: [
            "kantaibertd.8", "kantaibert-train.8", "kantaibert-read.8", "kbctl.1", "kantaibert-web.8",
            "kantaibert.yaml.5",
        ])
    func rendersWithoutWarnings(name: String) throws {
        if let groff = Tool.path("groff") {
            let result = try Tool.run(groff, ["-ww", "-man", "-Tutf8", "-P-cbou", "-K", "utf8", pages.path(name)])
            #expect(result.status == 0 && result.errors == "", "\(result.errors)")
            #expect(result.output.contains("SEE ALSO"))
        }
        if let mandoc = Tool.path("mandoc") {
            let result = try Tool.run(mandoc, ["-T", "lint", "-W", "warning", pages.path(name)])
            #expect(result.output == "", "\(result.output)")
        }
    }

    @Test func documentsEveryCommandAndOption() throws {
        for (program, page) in [
            ("kbctl", "kbctl.1"), ("kantaibertd", "kantaibertd.8"), ("kantaibert-train", "kantaibert-train.8"),
            ("kantaibert-web", "kantaibert-web.8"),
        ] {
            let text = try pages.text(page)
            let help = try Tool.run(Pages.folder + "/" + program, ["--experimental-dump-help"]).output
            let root = try #require(JSONSerialization.jsonObject(with: Data(help.utf8)) as? [String: Any])
            try check(try #require(root["command"] as? [String: Any]), in: text)
        }
    }

    private func check(_ command: [String: Any], in text: String) throws {
        let name = try #require(command["commandName"] as? String)
        #expect(name == "help" || text.contains(name.replacing("-", with: "\\-")), "\(name)")
        for argument in command["arguments"] as? [[String: Any]] ?? [] {
            for option in argument["names"] as? [[String: Any]] ?? [] where option["kind"] as? String == "long" {
                let long = "\\-\\-" + (try #require(option["name"] as? String)).replacing("-", with: "\\-")
                #expect(text.contains(long), "\(name) \(long)")
            }
        }
        for inner in command["subcommands"] as? [[String: Any]] ?? [] where inner["shouldDisplay"] as? Bool == true {
            try check(inner, in: text)
        }
    }

    /// The keys of the installed settings file, which has all of them.
    @Test func documentsEverySettingWithItsRange() throws {
        let yaml = try String(contentsOf: Pages.settings, encoding: .utf8)
        let page = try pages.text("kantaibert.yaml.5")
        var keys: Set<Substring> = []
        for line in yaml.split(separator: "\n") {
            let rest = line.drop { $0 == " " }
            guard !rest.hasPrefix("# "), let colon = rest.firstIndex(of: ":") else { continue }
            let key = rest[..<colon].drop { $0 == "#" }
            guard rest.index(after: colon) < rest.endIndex else { continue }
            #expect(page.contains("\(key):\\fR") || page.contains(".\(key):\\fR"), "\(key)")
            keys.insert(key)
        }
        #expect(keys.count > 50)
        #expect(page.contains("Divides hidden_size."))
        // Every item but the files has a range.
        #expect(page.count(of: "\n.TP\n") - 2 == page.count(of: " Expects "))
    }

    @Test func generatedFilesAreUpToDate() throws {
        let result = try Tool.run(
            Pages.folder + "/kb-man", ["generate", "--check", Pages.repository.path(percentEncoded: false)])
        #expect(result.status == 0, "\(result.output)\(result.errors)")
    }
}

extension String {
    fileprivate func count(of text: String) -> Int { components(separatedBy: text).count - 1 }
}

final class Pages: Sendable {
    static let folder: String = {
        let path = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
        return path.deletingLastPathComponent().path
    }()
    static let repository = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardized
    static let settings = repository.appending(path: "etc/kantaibert/kantaibert.yaml")
    static let areBuilt = ["kb-man", "kbctl", "kantaibertd", "kantaibert-train", "kantaibert-read"].allSatisfy {
        FileManager.default.isExecutableFile(atPath: "\(folder)/\($0)")
    }

    private let output: String

    init() throws {
        output = FileManager.default.temporaryDirectory.appending(path: "man-\(UUID().uuidString)").path
        let result = try Tool.run(Pages.folder + "/kb-man", ["pages", Pages.folder, output])
        try #require(result.status == 0, "\(result.errors)")
    }

    deinit { try? FileManager.default.removeItem(atPath: output) }

    func path(_ name: String) -> String { "\(output)/\(name)" }
    func text(_ name: String) throws -> String { try String(contentsOfFile: path(name), encoding: .utf8) }
}

enum Tool {
    static func path(_ name: String) -> String? {
        let path = "/usr/bin/\(name)"
        return FileManager.default.isExecutableFile(atPath: path) ? path : nil
    }

    static func run(_ program: String, _ arguments: [String]) throws -> (status: Int32, output: String, errors: String)
    {
        let process = Process()
        process.executableURL = URL(filePath: program)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(["LC_ALL": "C.UTF-8"]) { $1 }
        // Files instead of pipes: a pipe that is not read can fill up while the other one is.
        let scratch = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: scratch, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: scratch) }
        let files = try ["output", "errors"].map { name in
            let file = scratch.appending(path: name)
            try Data().write(to: file)
            return file
        }
        process.standardOutput = try FileHandle(forWritingTo: files[0])
        process.standardError = try FileHandle(forWritingTo: files[1])
        try process.run()
        process.waitUntilExit()
        let texts = try files.map { String(decoding: try Data(contentsOf: $0), as: UTF8.self) }
        return (process.terminationStatus, texts[0], texts[1])
    }
}
