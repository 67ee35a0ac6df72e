extension FileKind {
    /// Recognizes formats that are written as text without being the text itself, such as RTF or a Git LFS pointer.
    static func textual(_ head: [UInt8], name: String) -> FileKind? {
        // Everything that is looked for begins within this many bytes.
        let begin = String(decoding: head.prefix(4096), as: UTF8.self)
        let text = begin.drop { $0.isWhitespace || $0 == "\u{FEFF}" || $0 == "\u{4}" }
        if let found = beginnings.first(where: { text.hasPrefix($0.text) }) { return found.kind }
        if text.hasPrefix("%!") { return postScript }
        if let found = xml(head, name: name) { return found }
        if isNotebook(text, name: name) { return notebook }
        if isTorrent(text) { return torrent }
        return roff(text)
    }

    private static let beginnings: [(text: String, kind: FileKind)] = [
        (
            "{\\rtf",
            FileKind("an RTF document", "convert it with: unrtf --text FILE > FILE.txt", isText: true)
        ),
        (
            "version https://git-lfs.github.com/spec/",
            FileKind(
                "a Git LFS pointer instead of the file itself", "run git lfs pull in the repository, and copy it again",
                isText: true)
        ),
        (
            "-----BEGIN PGP MESSAGE-----",
            FileKind("encrypted with OpenPGP", "decrypt it with: gpg --decrypt FILE > FILE.txt", isText: true)
        ),
        (
            "-----BEGIN AGE ENCRYPTED FILE-----",
            FileKind("encrypted with age", "decrypt it with: age -d FILE > FILE.txt", isText: true)
        ),
        (
            "$ANSIBLE_VAULT;",
            FileKind("encrypted with Ansible Vault", "decrypt it with: ansible-vault decrypt FILE", isText: true)
        ),
    ]

    private static let postScript = FileKind(
        "a PostScript document", "convert it with: ps2ascii FILE FILE.txt", isText: true)
    private static let notebook = FileKind(
        "a Jupyter notebook", "convert it with: jupyter nbconvert --to markdown FILE", isText: true)
    private static let torrent = FileKind(
        "a BitTorrent file, which only tells where to download others", "download them, and put them here")

    /// A notebook is a JSON object; Jupyter writes its keys sorted.
    private static func isNotebook(_ text: Substring, name: String) -> Bool {
        guard text.hasPrefix("{") else { return false }
        return name.lowercased().hasSuffix(".ipynb")
            || text.dropFirst().drop { $0.isWhitespace }.hasPrefix("\"cells\"")
                && (text.contains("\"cell_type\"") || text.contains("\"nbformat\""))
    }

    private static func isTorrent(_ text: Substring) -> Bool {
        guard text.hasPrefix("d") else { return false }
        return ["d8:announce", "d10:created by", "d7:comment", "d13:announce-list", "d4:infod"]
            .contains { text.hasPrefix($0) }
    }

    /// Manual pages are written in roff with the macros `man` or `mdoc`, often after a comment.
    private static func roff(_ text: Substring) -> FileKind? {
        guard let first = text.first, first == "." || first == "'" else { return nil }
        let lines = text.split(whereSeparator: \.isNewline)
        let isComment = ["'\\\"", ".\\\"", "'''"].contains { text.hasPrefix($0) }
        let title = lines.first { [".TH ", ".Dd "].contains($0.prefix(4)) }
        guard isComment || [".TH ", ".Dd "].contains(text.prefix(4)), title != nil || lines.contains(where: isRequest)
        else { return nil }
        return title == nil
            ? FileKind("a troff document", "convert it with: nroff FILE | col -b > FILE.txt", isText: true)
            : FileKind("a manual page", "convert it with: man -l FILE | col -b > FILE.txt", isText: true)
    }

    /// Whether a line is one of the requests and macros that every document has.
    private static func isRequest(_ line: Substring) -> Bool {
        [".SH", ".PP", ".LP", ".P", ".TL", ".so", ".br", ".sp", ".de", ".ds", ".nr"].contains {
            line == $0 || line.hasPrefix($0 + " ")
        }
    }
}
