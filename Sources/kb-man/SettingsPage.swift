import Daemon

/// The page of the settings file: every key with what the file says of it, and what may stand there.
enum SettingsPage {
    struct Missing: Error, CustomStringConvertible {
        let keys: [String]
        var description: String { "the settings file does not have: \(keys.joined(separator: ", "))" }
    }

    /// - Parameter yaml: the file with every key; the first model's section stands for all
    static func text(_ yaml: String) throws -> String {
        let entries = SettingsFile(yaml).entries
        let model = try first(entries)
        let expected = Settings.expectedValues
        let missing =
            Settings.generalKeys.filter { key in !entries.contains { $0.key == key } }
            + Settings.modelKeys.filter { key in !entries.contains { $0.key == "\(model).\(key)" } }
        guard missing.isEmpty else { throw Missing(keys: missing) }

        var page = Roff(
            "KANTAIBERT.YAML", section: 5, version: "kantaibert \(KantaibertService.version)", manual: "Kantaibert")
        page.section("NAME")
        page.line("kantaibert.yaml \\- settings of kantaibertd")
        page.section("SYNOPSIS")
        page.line(Roff.italic("/etc/kantaibert/kantaibert.yaml"))
        page.section("DESCRIPTION")
        page.paragraphs(
            """
            A YAML file with a section for each model, named after it, and one for each part of the service. Every key has \
            a default, which is shown here behind it; an empty file means the defaults.

            A variable overrides a key: KANTAIBERT_, then the key in capitals with _ for each dot, as in \
            KANTAIBERT_SCHEDULE_SETTLE=10s or KANTAIBERT_ASSISTANT_LEARNING_RATE=0.0005.

            What cannot be used is said with its line, and the service does not start: exit status 78.
            """)
        page.section("THE SECTION OF A MODEL")
        page.paragraphs(
            "The defaults shown are those of a model of objective mlm, preset kantaibert and recipe default.")
        for key in Settings.modelKeys { add(key, of: entries, prefix: "\(model).", expected, to: &page) }
        page.section("THE SERVICE")
        for key in Settings.generalKeys { add(key, of: entries, prefix: "", expected, to: &page) }
        page.section("FILES")
        page.item(Roff.italic("/etc/kantaibert/kantaibert.yaml"), "Read where no other is named with --config.")
        page.item(Roff.italic("/etc/default/kantaibertd"), "Variables for the service under systemd.")
        page.section("SEE ALSO")
        page.line("\(Roff.bold("kantaibertd"))(8), \(Roff.bold("kbctl"))(1)")
        return page.text
    }

    private static func first(_ entries: [SettingsFile.Entry]) throws -> String {
        guard let objective = entries.first(where: { $0.key.hasSuffix(".objective") }) else {
            throw Missing(keys: ["NAME.objective"])
        }
        return String(objective.key.dropLast(".objective".count))
    }

    private static func add(
        _ key: String, of entries: [SettingsFile.Entry], prefix: String, _ expected: [String: String],
        to page: inout Roff
    ) {
        guard let entry = entries.first(where: { $0.key == prefix + key }) else { return }
        let value = expected[key].map { "Expects \($0)." }
        page.item(
            Roff.bold("\(key):") + (entry.value.isEmpty ? "" : " \(Roff.escaped(entry.value))"),
            [entry.comment, value].compactMap { $0 }.filter { !$0.isEmpty }.joined(separator: " "))
    }
}

/// The keys of a commented settings file in order, each with the comment above it.
struct SettingsFile {
    struct Entry {
        var key: String
        var value: String
        var comment: String
    }

    private(set) var entries: [Entry] = []

    init(_ yaml: String) {
        var path: [(indent: Int, name: String)] = []
        var comment: [Substring] = []
        for line in yaml.split(separator: "\n", omittingEmptySubsequences: false) {
            let indent = line.prefix { $0 == " " }.count
            var rest = line.dropFirst(indent)
            if rest.isEmpty {
                comment = []
                continue
            }
            if rest.hasPrefix("# ") {
                comment.append(rest.dropFirst(2))
                continue
            }
            if rest.hasPrefix("#") { rest = rest.dropFirst() }
            guard let colon = rest.firstIndex(of: ":") else { continue }
            path.removeAll { $0.indent >= indent }
            path.append((indent, String(rest[..<colon])))
            entries.append(
                Entry(
                    key: path.map(\.name).joined(separator: "."),
                    value: String(rest[rest.index(after: colon)...].drop { $0 == " " }),
                    comment: comment.joined(separator: " ")))
            comment = []
        }
    }
}
