import Foundation
import FoundationXML
import Glibc
import Interface
import Testing

/// Checks the output of kbctl with independent readers.
@Suite(.timeLimit(.minutes(15)), .enabled(if: KbctlProcess.isBuilt, "kbctl is not built next to the tests"))
struct OutputTests {
    @Test func plotFitsTheScreen() async throws {
        try await Canned.serving { socket in
            for columns in [40, 80, 132] as [UInt16] {
                let result = try KbctlProcess.run(["plot", "assistant-1", "other"], socket: socket, columns: columns)
                #expect(result.status == 0)
                let lines = result.output.split(separator: "\n")
                #expect(lines.count > 10)
                for line in lines { #expect(line.count <= Int(columns), "\(line)") }
                // Without colors, each run has its own mark; held-out losses share one.
                for mark in ["+", "x", "◆", "└"] { #expect(result.output.contains(mark), "\(mark)") }
            }
        }
    }

    @Test func svgIsWellFormedAndContainsTheCurves() async throws {
        try await Canned.serving { socket in
            let path = FileManager.default.temporaryDirectory.appending(path: "\(UUID()).svg")
            defer { try? FileManager.default.removeItem(at: path) }
            let result = try KbctlProcess.run(["plot", "assistant-1", "--svg", path.path], socket: socket)
            #expect(result.status == 0 && result.output == "")
            let counter = ElementCounter()
            let parser = XMLParser(data: try Data(contentsOf: path))
            parser.delegate = counter
            #expect(parser.parse(), "\(String(describing: parser.parserError))")
            #expect(counter.counts["polyline", default: 0] > 5)
            #expect(counter.counts["polygon"] == 2)
        }
    }

    /// Python's zlib inflates the image and verifies the checksums.
    @Test(.enabled(if: Python.isThere, "no python3"))
    func pngIsValidAndHasTheExpectedSize() async throws {
        try await Canned.serving { socket in
            let path = FileManager.default.temporaryDirectory.appending(path: "\(UUID()).png").path
            defer { try? FileManager.default.removeItem(atPath: path) }
            #expect(try KbctlProcess.run(["plot", "assistant-1", "--png", path], socket: socket).status == 0)
            let output = try Python.run(
                """
                import sys, struct, zlib
                data = open(sys.argv[1], "rb").read()
                assert data[:8] == b"\\x89PNG\\r\\n\\x1a\\n"
                place, image = 8, b""
                while place < len(data):
                    length, kind = struct.unpack(">I4s", data[place:place + 8])
                    body = data[place + 8:place + 8 + length]
                    assert zlib.crc32(kind + body) == struct.unpack(">I", data[place + 8 + length:place + 12 + length])[0]
                    if kind == b"IHDR": width, height, depth, color = struct.unpack(">IIBB", body[:10])
                    if kind == b"IDAT": image += zlib.decompress(body)
                    place += 12 + length
                assert kind == b"IEND" and (depth, color) == (8, 2) and len(image) == height * (3 * width + 1)
                row, colors = bytearray(3 * width), set()
                for y in range(height):
                    line = image[y * (3 * width + 1):(y + 1) * (3 * width + 1)]
                    assert line[0] == 2
                    row = bytes((a + b) & 255 for a, b in zip(row, line[1:]))
                    colors |= {row[x:x + 3] for x in range(0, len(row), 3)}
                print(width, height, b"\\x00\\x72\\xb2" in colors, b"\\xff\\xff\\xff" in colors)
                """, [path])
            #expect(output == "1600 900 True True\n")
        }
    }

    @Test func csvHasOneLinePerStep() async throws {
        try await Canned.serving { socket in
            let lines = try KbctlProcess.run(["metrics", "assistant-1", "--csv"], socket: socket).output
                .split(separator: "\n").map { $0.split(separator: ",", omittingEmptySubsequences: false) }
            #expect(lines.count == 101)
            #expect(lines.allSatisfy { $0.count == lines[0].count })
            let heldOut = try #require(lines[0].firstIndex(of: "held_out_loss"))
            #expect(lines[100][heldOut] == "6.4" && lines[99][heldOut] == "")
            #expect(try KbctlProcess.run(["metrics", "--csv", "--json"], socket: socket).status == 64)
        }
    }

    @Test(arguments: [nil, 40, 80] as [UInt16?])
    func warningsAreShownInFullBelowTheirCorpus(columns: UInt16?) async throws {
        try await Canned.serving { socket in
            let result = try KbctlProcess.run(["corpora"], socket: socket, columns: columns)
            let lines = result.output.split(whereSeparator: \.isNewline).map(String.init)
            let row = try #require(lines.firstIndex { $0.contains("table.csv") }, "\(result)")
            if columns == nil {
                #expect(lines[row].contains("CSV with delimiter ‘;’, windows-1252"))
                #expect(Array(lines[(row + 1)...]) == Canned.warnings.map { "  ! \($0)" })
            } else {
                #expect(lines[row + 1].hasPrefix("  ! 3 bytes"))
                let words = lines[(row + 1)...].flatMap { $0.split(separator: " ") }
                #expect(words == Canned.warnings.flatMap { "! \($0)".split(separator: " ") })
            }
            let json = try KbctlProcess.run(["corpora", "--json"], socket: socket)
            let reply = try JSONDecoder().decode(ManagerInterface.ListCorpora.Reply.self, from: Data(json.output.utf8))
            #expect(reply.corpora.last?.warnings == Canned.warnings)
            #expect(reply.corpora.last?.encoding == "windows-1252")
            #expect(reply.corpora.last?.format == "CSV with delimiter ‘;’")
        }
    }

    @Test func plansAreATable() async throws {
        try await Canned.serving { socket in
            let result = try KbctlProcess.run(["train", "kantaibert", "--plan"], socket: socket)
            #expect(result.status == 0)
            let lines = result.output.split(separator: "\n").map { $0.split(separator: " ").joined(separator: " ") }
            try #require(lines.count == 5, "\(result)")
            #expect(lines[0] == "MODEL MAX TIME LAYERS HIDDEN PARAMETERS EPOCHS STEPS TIME MEMORY BITS/BYTE")
            #expect(lines[1] == "kantaibert – 12 768 125,504,416 20.0 1,234,567 2 d 3 h 2.5 GB 1.12 ± 0.05")
            #expect(lines[2] == "kantaibert 8 h 05 min 6 384 13,504,416 1.5 34,567 8 h 05 min 716.1 MB 1.35 ± 0.05")
            #expect(lines[3].hasPrefix("! the time ends before all of the text has been read once"))
            #expect(lines[4].contains("are estimates"))
            let json = try KbctlProcess.run(["train", "--plan", "--json"], socket: socket)
            let reply = try JSONDecoder().decode(ManagerInterface.PlanTraining.Reply.self, from: Data(json.output.utf8))
            #expect(reply.plans == Canned.plans)
            let none = try KbctlProcess.run(["train", "none", "--plan"], socket: socket)
            #expect(none.status != 0 && none.errors.contains("‘none’"), "\(none)")
        }
    }

    @Test(arguments: [40, 60, 80] as [UInt16])
    func narrowScreenShowsTheEstimateOfAPlan(columns: UInt16) async throws {
        try await Canned.serving { socket in
            let result = try KbctlProcess.run(["train", "--plan"], socket: socket, columns: columns)
            for text in ["MAX TIME", "8 h 05 min", "1.12 ± 0.05", "1.35 ± 0.05"] {
                #expect(result.output.contains(text), "\(text) at \(columns):\n\(result.output)")
            }
        }
    }

    @Test func generationsSayWhichPrecisionServesAndWhy() async throws {
        try await Canned.serving { socket in
            let result = try KbctlProcess.run(["generations", "kantaibert"], socket: socket, columns: 80)
            #expect(result.status == 0, "\(result)")
            let lines = result.output.split(separator: "\n")
            #expect(lines.first?.contains("WEIGHTS") == true, "\(result.output)")
            #expect(lines.contains { $0.contains("serving") && $0.contains("int8") }, "\(result.output)")
            let text = lines.joined(separator: " ")
            #expect(
                text.contains("3 serves with weights in int8: \(Canned.precisionReason)"), "\(result.output)"
            )
            let json = try KbctlProcess.run(["generations", "kantaibert", "--json"], socket: socket)
            let reply = try JSONDecoder().decode(
                ManagerInterface.ListGenerations.Reply.self, from: Data(json.output.utf8))
            #expect(reply.generations.map(\.precision) == [nil, nil, "int8"])
            #expect(reply.generations.last?.int8BitsPerByte == 1.9313)
        }
    }

    @Test func listsFollowAllPages() async throws {
        try await Canned.serving { socket in
            func lines(_ arguments: [String]) throws -> [Substring] {
                let result = try KbctlProcess.run(arguments, socket: socket)
                try #require(result.status == 0, "\(arguments): \(result)")
                return result.output.split(separator: "\n")
            }
            let corpora = try lines(["corpora", "--state", "admitted"])
            try #require(corpora.count == 6 && corpora[0].hasPrefix("RECEIVED"), "\(corpora)")
            for number in 0..<5 { #expect(corpora[number + 1].hasSuffix("n-\(number).txt"), "\(corpora)") }
            // One reply per line.
            let replies = try lines(["corpora", "--state", "admitted", "--json"]).map {
                try JSONDecoder().decode(ManagerInterface.ListCorpora.Reply.self, from: Data($0.utf8))
            }
            #expect(replies.map(\.next) == ["1", "2", "3", "4", nil])

            #expect(try lines(["runs", "--model", "paged"]).count == 10)
            #expect(try lines(["runs", "--model", "paged", "--limit", "4"]).count == 5)
            #expect(try lines(["runs", "--model", "paged", "--limit", "4", "--json"]).count == 4)

            for arguments in [["--csv"], ["--all"], []] {
                #expect(
                    try lines(["metrics", "paged"] + arguments) == lines(["metrics", "assistant-1"] + arguments),
                    "\(arguments)")
            }
            #expect(try lines(["metrics", "paged", "--json"]).count == 4)
            let plots = try ["paged", "assistant-1"].map { run in
                try lines(["plot", run]).filter { !$0.contains(run) }
            }
            #expect(plots[0] == plots[1] && plots[0].count > 5)

            let endless = try KbctlProcess.run(["corpora", "--state", "removed"], socket: socket)
            #expect(endless.status != 0 && endless.errors.contains("the next page is the same page"), "\(endless)")
        }
    }

    /// Checks against the grammar of OpenMetrics 1.0 for gauges, counters and information.
    @Test func openMetricsOutputFollowsTheGrammar() async throws {
        let documentation = try String(
            contentsOf: URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../docs/metrics.md"),
            encoding: .utf8)
        try await Canned.serving { socket in
            let result = try KbctlProcess.run(["metrics", "--openmetrics"], socket: socket)
            let lines = result.output.split(separator: "\n", omittingEmptySubsequences: false)
            #expect(lines.suffix(2) == ["# EOF", ""])
            var types: [Substring: Substring] = [:]
            let sample = try Regex(#"([a-z_]+)(\{[a-z_]+="([^"\\]|\\.)*"(,[a-z_]+="([^"\\]|\\.)*")*\})? -?[0-9.e+-]+"#)
            for line in lines.dropLast(2) {
                let words = line.split(separator: " ")
                if line.hasPrefix("# TYPE ") {
                    #expect(types[words[2]] == nil, "\(line)")
                    types[words[2]] = words[3]
                    let suffix = words[3] == "counter" ? "_total" : words[3] == "info" ? "_info" : ""
                    let name = words[2].dropFirst("kantaibert_".count) + suffix
                    #expect(documentation.contains("`\(name)`"), "docs/metrics.md has no `\(name)`")
                } else if line.hasPrefix("# UNIT ") {
                    // The unit is part of the name.
                    #expect(words.count == 4 && words[2].hasSuffix("_\(words[3])"), "\(line)")
                } else if !line.hasPrefix("# HELP ") {
                    #expect(try sample.wholeMatch(in: line) != nil, "\(line)")
                    let name = line.prefix { $0 != "{" && $0 != " " }
                    let suffix = ["_total", "_info"].first { name.hasSuffix($0) } ?? ""
                    let type = ["_total": "counter", "_info": "info"][suffix] ?? "gauge"
                    #expect(types[name.dropLast(suffix.count)] == Substring(type), "\(line)")
                }
            }
            #expect(lines.contains(#"kantaibert_run_step{model="assistant",run="assistant-1"} 218"#))
            #expect(lines.contains(#"kantaibert_model_state{model="assistant",state="training"} 1"#))

            // The same samples for the textfile collector, which knows neither units nor other names for counters.
            let older = try KbctlProcess.run(["metrics", "--textfile"], socket: socket).output.split(separator: "\n")
            func names(_ lines: [Substring]) -> [Substring] {
                lines.filter { !$0.hasPrefix("#") }.map { $0.prefix { $0 != " " } }
            }
            #expect(names(older) == names(lines.filter { !$0.isEmpty }))
            let typed = Set(older.filter { $0.hasPrefix("# TYPE ") }.map { $0.split(separator: " ")[2] })
            #expect(names(older).allSatisfy { name in typed.contains(name.prefix { $0 != "{" }) })
            #expect(older.contains("# TYPE kantaibert_build_info gauge"))
            #expect(!older.contains { $0.hasPrefix("# UNIT") || $0.hasPrefix("# EOF") })
        }
    }

    @Test func textfileTakesNoRun() throws {
        for arguments in [["a-1", "--textfile"], ["--csv", "--textfile"], ["--openmetrics", "--textfile"]] {
            #expect(try KbctlProcess.run(["metrics"] + arguments, socket: "/none/socket").status == 64)
        }
    }

    @Test func inspectPlacesTheCornersOfATensor() async throws {
        try await Canned.serving { socket in
            let result = try KbctlProcess.run(
                ["inspect", "kantaibert", "--values", "lm_head.bias"], socket: socket)
            #expect(
                result.output.hasSuffix(
                    """
                           0        1        2  …           6         7        8
                    0  -1.00000  0.00000  0.25000  …  not finite  1.00e-05  1.00000

                    """), "\(result.output)")
            let none = try KbctlProcess.run(["inspect", "kantaibert", "--values", "head"], socket: socket)
            #expect(none.status == 66 && none.errors.contains("has no tensor ‘head’"))
        }
    }

    @Test func doctorPrintsAdvice() async throws {
        try await Canned.serving { socket in
            let result = try KbctlProcess.run(["doctor"], socket: socket)
            #expect(result.status == 0)
            #expect(result.output.contains("! disk       no room\n") || result.output.contains("no room\n"))
            #expect(result.output.contains("→ make some\n"))
            #expect(result.output.contains("✓ processor") || result.output.contains("! processor"))
            let json = try KbctlProcess.run(["doctor", "--json"], socket: socket)
            let reply = try JSONDecoder().decode(ManagerInterface.Doctor.Reply.self, from: Data(json.output.utf8))
            #expect(reply.checks.contains { $0.name == "disk" && $0.state == .warning && $0.advice == "make some" })
        }
        let away = try KbctlProcess.run(["doctor"], socket: "/none/socket")
        #expect(away.status == 69)
        #expect(away.output.contains("does not answer"))
    }

    /// Wide characters take two columns, combining characters none.
    @Test func wideCharactersFitTheScreen() async throws {
        try await Canned.serving { socket in
            let result = try KbctlProcess.run(["fill", "理性 <mask>"], socket: socket, columns: 30)
            let lines = result.output.split(separator: "\n").dropFirst()
            #expect(!lines.isEmpty)
            for line in lines {
                let columns = line.unicodeScalars.reduce(0) {
                    $0 + ((0x3400...0x9FFF).contains($1.value) ? 2 : $1.value == 0x301 ? 0 : 1)
                }
                #expect(columns <= 30, "\(line)")
                #expect(line.hasSuffix("…"))
            }
        }
    }

    @Test(arguments: ["bash", "zsh", "fish"])
    func completionScriptIsAcceptedByItsShell(shell: String) throws {
        let script = try KbctlProcess.run(["completion", shell], socket: "/none/socket")
        #expect(script.status == 0)
        for command in ["generations", "doctor", "--openmetrics"]
        where shell != "fish" || command.hasPrefix("-") == false {
            #expect(script.output.contains(command), "\(command)")
        }
        guard FileManager.default.isExecutableFile(atPath: "/bin/\(shell)") else {
            try Test.cancel("there is no \(shell) to read the script")
        }
        let path = FileManager.default.temporaryDirectory.appending(path: "\(UUID())").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        try script.output.write(toFile: path, atomically: true, encoding: .utf8)
        let process = Process()
        process.executableURL = URL(filePath: "/bin/\(shell)")
        process.arguments = ["-n", path]
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
    }

    #if !DEBUG
        @Test func binaryIsAtMost15500000Bytes() throws {
            let bytes = try FileManager.default.attributesOfItem(atPath: KbctlProcess.path)[.size] as? Int
            #expect(try #require(bytes) <= 16_500_000)
        }
    #endif
}

private final class ElementCounter: NSObject, XMLParserDelegate {
    var counts: [String: Int] = [:]

    func parser(
        _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
        attributes: [String: String]
    ) {
        counts[name, default: 0] += 1
    }
}

private enum Python {
    static let isThere = (try? run("print(1)", [])) == "1\n"

    static func run(_ program: String, _ arguments: [String]) throws -> String {
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["python3", "-c", program] + arguments
        process.standardOutput = pipe
        try process.run()
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return String(decoding: output, as: UTF8.self)
    }
}
