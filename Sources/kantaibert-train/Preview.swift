import ArgumentParser
import Corpora
import Datasets
import Durable
import Formatting
import FoundationEssentials
import Glibc
import Jobs
import PreviewOptions
import Settings
import TextFilters
import TextReading

struct Preview: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows what would be learned from a file.",
        discussion: """
            Reads the file as the inbox would, with the nearest .kbconfig.yaml in its directory or above, and shows \
            what each filter removes and the first units as they would be learned. Needs no service and changes \
            nothing. The settings of the service, such as inbox.text_column and the filters of a model, are not known \
            here: give them in .kbconfig.yaml or as options. Of a text of more than 64 MiB, only the units that begin \
            in the first 64 MiB are counted and shown; its form and its markers are determined from all of it.

            Exit status: 0 the file can be used, 65 it would be rejected, with the reason.
            """)

    @Argument(help: "The file.", completion: .file())
    var file: String

    @OptionGroup var options: PreviewOptions

    @Flag(help: "Print one JSON object.")
    var json = false

    func run() throws {
        let report: PreviewReport
        do {
            report = try makeReport()
        } catch let error as SingleFile.Rejected {
            throw failure("\(RawPath.printable(OwnProgram.path(ofArgument: file))): \(error.reason)", EX_DATAERR)
        } catch let error as TextFilterError {
            throw failure("\(error)", EX_USAGE)
        } catch let error as SettingsError {
            throw failure("\(error)", EX_CONFIG)
        } catch let error as ValidationError {
            throw error
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
        let path = OwnProgram.path(ofArgument: file)
        let nearest = try FolderConfiguration.nearest(toFile: path, defaults: ReadingOptions())
        let text = try SingleFile.read(
            path, options: nearest.configuration.reading, reader: try OwnProgram.sibling("kantaibert-read"),
            temporaryDirectory: FileManager.default.temporaryDirectory.path)
        let unit = try options.chosenUnit
        let filters = try options.chosenFilters ?? nearest.configuration.filters ?? []
        let preview = try text.withPath {
            try TextPreview(
                path: $0, isStructured: text.report.isStructured, unit: unit, filters: filters,
                heldOut: RecipeName.default.recipe(for: .mlm).heldOut, examples: max(0, options.units ?? 10))
        }
        return PreviewReport(
            file: RawPath.printable(path), configuration: nearest.path.map { RawPath.printable($0) },
            format: text.report.format, encoding: text.report.encoding ?? "UTF-8", warnings: text.report.warnings,
            bytes: text.report.bytes, documents: text.report.documents, replacedBytes: text.report.replacedBytes,
            isShortened: text.report.bytes > TextPreview.mostBytes, text: preview)
    }

    private func failure(_ message: String, _ status: Int32) -> ExitCode {
        say(message)
        return ExitCode(status)
    }
}

extension PreviewOptions {
    fileprivate var chosenUnit: SampleUnit {
        get throws(ValidationError) {
            guard let samples else { return .auto }
            guard let unit = SampleUnit(rawValue: samples) else {
                let names = SampleUnit.allCases.map(\.rawValue).joined(separator: ", ")
                throw ValidationError("--samples must be one of \(names), but is ‘\(samples)’")
            }
            return unit
        }
    }

    /// Nil if no filters are given.
    fileprivate var chosenFilters: [TextFilter]? {
        get throws(TextFilterError) {
            let values = TextFilterValues(
                keep: keep, minWords: minWords, maxWords: maxWords, nearDuplicates: nearDuplicates)
            guard filters != nil || values != TextFilterValues() else { return nil }
            let names = (filters ?? "").split(separator: ",").map { String($0) }
            return try TextFilter.named(names, values)
        }
    }
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
    /// Whether only the units at the beginning of the text were counted.
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
        if isShortened {
            let size = MessageFormat.bytes(TextPreview.mostBytes)
            lines.append("only the units in the first \(size) of the text are counted and shown")
        }
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
