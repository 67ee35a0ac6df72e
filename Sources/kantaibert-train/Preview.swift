import ArgumentParser
import Corpora
import Datasets
import Formatting
import FoundationEssentials
import Glibc
import Jobs
import Settings
import TextFilters
import TextReading

extension SampleUnit: ExpressibleByArgument {}

struct Preview: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows what would be learned from a file.",
        discussion: """
            Reads the file as the inbox would, with the nearest .kbconfig.yaml in its directory or above, and shows \
            what each filter removes and the first units as they would be learned. Needs no service and changes \
            nothing. Looks at the first 64 MiB of the text.

            Exit status: 0 the file can be used, 65 it would be rejected, with the reason.
            """)

    @Argument(help: "The file.", completion: .file())
    var file: String

    @Option(help: "Filters, separated by commas, instead of those of .kbconfig.yaml.")
    var filters: String?

    @Option(help: "The characters for the filter keep.")
    var keep: String?

    @Option(help: "The number for the filter min_words.")
    var minWords: Int?

    @Option(help: "The number for the filter max_words.")
    var maxWords: Int?

    @Option(help: "The unit of training: \(SampleUnit.allCases.map(\.rawValue).joined(separator: ", ")).")
    var samples = SampleUnit.auto

    @Option(help: "Number of units to show.")
    var units = 10

    @Flag(help: "Print one JSON object.")
    var json = false

    func run() throws {
        let report: PreviewReport
        do {
            report = try makeReport()
        } catch let error as SingleFile.Rejected {
            throw failure("\(file): \(error.reason)", EX_DATAERR)
        } catch let error as TextFilterError {
            throw failure("\(error)", EX_USAGE)
        } catch let error as SettingsError {
            throw failure("\(error)", EX_CONFIG)
        } catch {
            throw failure("\(error)", EX_IOERR)
        }
        if json {
            print(String(decoding: try JobCoding.encode(report), as: UTF8.self))
        } else {
            print(report.lines.joined(separator: "\n"))
        }
    }

    private func makeReport() throws -> PreviewReport {
        let nearest = try FolderConfiguration.nearest(toFile: file, defaults: ReadingOptions())
        let directory = try TemporaryDirectory()
        let text = try SingleFile.read(
            file, options: nearest.configuration.reading, reader: try besideThisProgram("kantaibert-read"),
            into: directory.path)
        if text.report.bytes > TextPreview.mostBytes {
            _ = chmod(text.path, 0o600)
            _ = truncate(text.path, TextPreview.mostBytes)
        }
        let values = TextFilterValues(keep: keep, minWords: minWords, maxWords: maxWords)
        let names = filters.map { $0.split(separator: ",").map { String($0) } }
        let chosen =
            names == nil && values == TextFilterValues()
            ? nearest.configuration.filters ?? [] : try TextFilter.named(names ?? [], values)
        let preview = try TextPreview(
            path: text.path, unit: text.report.isStructured ? .records : samples, filters: chosen,
            heldOut: RecipeName.default.recipe(for: .mlm).heldOut, examples: max(0, units))
        return PreviewReport(
            file: file, configuration: nearest.path, format: text.report.format,
            encoding: text.report.encoding ?? "UTF-8", warnings: text.report.warnings, bytes: text.report.bytes,
            documents: text.report.documents, replacedBytes: text.report.replacedBytes,
            isShortened: text.report.bytes > TextPreview.mostBytes, text: preview)
    }

    private func failure(_ message: String, _ status: Int32) -> ExitCode {
        say(message)
        return ExitCode(status)
    }

    private func besideThisProgram(_ name: String) throws -> String? {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let length = readlink("/proc/self/exe", &buffer, buffer.count)
        guard length > 0 else { return nil }
        let own = String(decoding: buffer[..<length], as: UTF8.self)
        return own[..<(own.lastIndex(of: "/") ?? own.startIndex)] + "/\(name)"
    }
}

/// A temporary directory that is removed with the last reference to it.
private final class TemporaryDirectory {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appending(path: "kantaibert-preview-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// The output of `preview`.
private struct PreviewReport: Encodable {
    var file: String
    var configuration: String?
    var format: String
    var encoding: String
    var warnings: [String]
    var bytes: Int
    var documents: Int
    var replacedBytes: Int
    /// Whether only the beginning of the text was looked at.
    var isShortened: Bool
    var text: TextPreview

    var lines: [String] {
        func size(_ units: Int, _ bytes: Int) -> String {
            "\(MessageFormat.count(units, "unit")) (\(MessageFormat.bytes(bytes)))"
        }
        var lines = [
            "\(file): \(format), \(encoding), \(MessageFormat.bytes(bytes)), "
                + MessageFormat.count(documents, "document")
        ]
        if let configuration { lines.append("settings: \(configuration)") }
        lines += warnings.map { "warning: \($0)" }
        if isShortened { lines.append("only the first \(MessageFormat.bytes(TextPreview.mostBytes)) were looked at") }
        lines.append("samples: \(text.samples.rawValue) (\(text.reason))")
        lines.append("text: \(size(text.units, text.bytes))")
        for count in text.filters {
            lines.append(
                "\(count.filter.rawValue): \(size(count.unitsBefore, count.bytesBefore)) → "
                    + size(count.unitsAfter, count.bytesAfter))
        }
        lines.append(
            "learned: \(size(text.unitsLeft, text.bytesLeft)), "
                + "\(MessageFormat.fixed(text.heldOutShare * 100, 1)) % of it held out")
        for (index, example) in text.examples.enumerated() {
            let side = (example.isHeldOut ? " (held out)" : "") + (example.isContinuation ? " (continued)" : "")
            lines.append("\(index + 1)\(side): \(printable(example.text))\(example.isShortened ? " …" : "")")
        }
        return lines
    }

    /// Control characters would act on the terminal.
    private func printable(_ text: String) -> String {
        let shown = text.unicodeScalars.map { scalar -> Unicode.Scalar in
            switch scalar.properties.generalCategory {
            case .control where scalar != "\n" && scalar != "\t": "\u{FFFD}"
            default: scalar
            }
        }
        return String(String.UnicodeScalarView(shown)).replacing("\n", with: "\n    ")
    }
}
