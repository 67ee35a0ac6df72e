/// The text of an edition in TEI P4 or P5: the contents of `text`, without the editors' remarks about it.
///
/// Of alternative readings, the one that a reading edition prints is taken: corrections, regularizations, expansions,
/// and the lemma of an apparatus.
struct TEIText: XMLContent {
    private enum Role {
        case inline, paragraph, line, item, cell, note, skipped
    }

    private static let roles: [String: Role] = {
        var roles: [String: Role] = [:]
        let rows: [(Role, String)] = [
            (
                .paragraph,
                "p ab head div div0 div1 div2 div3 div4 div5 div6 div7 sp stage lg list table epigraph salute signed "
                    + "dateline opener closer trailer titlePart docTitle docAuthor docImprint docDate byline argument "
                    + "castList front body back group text floatingText set postscript figure entry titlePage"
            ),
            (.line, "l speaker row castItem bibl"), (.item, "item"), (.cell, "cell"), (.note, "note"),
            (.skipped, "fw teiHeader facsimile sourceDoc standOff del surplus figDesc graphic witDetail index"),
        ]
        for (role, names) in rows { names.split(separator: " ").forEach { roles[String($0)] = role } }
        return roles
    }()
    private static let rejectedReadings: Set<String> = ["sic", "orig", "abbr"]

    private static let roots: Set<String> = ["tei", "tei.2", "teicorpus", "teicorpus.2"]

    /// Whether an element with this local name is the root of an edition, in upper or lower case.
    static func isRoot(_ name: String) -> Bool { roots.contains(name.lowercased()) }

    let format = "TEI"
    /// The elements around the current place.
    private var open: [(name: String, role: Role)] = []
    private var textDepth = 0
    /// For each apparatus entry around the current place, whether it had a reading.
    private var hasReading: [Bool] = []

    mutating func start(_ element: XMLElement, _ writer: inout ParagraphWriter) -> Bool {
        let name = element.name
        let parent = open.last?.name
        if parent == "choice", Self.rejectedReadings.contains(name) { return false }
        if parent == "app" || parent == "rdgGrp", isLeftOutOfApparatus(name) { return false }
        // The entry is about a place whose text is in the edition already.
        if name == "app", element["loc"] ?? element["from"] ?? element["to"] != nil { return false }
        let role = Self.roles[name] ?? .inline
        if role == .skipped { return false }
        if name == "app" { hasReading.append(false) }
        open.append((name, role))
        if name == "text" { textDepth += 1 }
        guard textDepth > 0 else { return true }
        switch role {
        case .paragraph: writer.beginParagraph()
        case .line: writer.separate(.line)
        case .item: writer.beginItem(.line)
        case .cell: writer.beginItem(.tab)
        case .note: writer.beginNote()
        case .inline, .skipped:
            guard ["lb", "pb", "cb", "milestone"].contains(name) else { break }
            if element["break"] == "no" { writer.joinToNext() } else { writer.addSpace() }
        }
        return true
    }

    /// Whether an element of an apparatus entry, or of a group in it, is not read: all readings but the first, which is
    /// the lemma if there is one.
    private mutating func isLeftOutOfApparatus(_ name: String) -> Bool {
        guard let hadReading = hasReading.last else { return false }
        switch name {
        case "wit": return true
        case "rdgGrp": return hadReading
        case "lem", "rdg":
            hasReading[hasReading.count - 1] = true
            return hadReading
        default: return false
        }
    }

    mutating func end(_ name: String, _ writer: inout ParagraphWriter) {
        guard let role = open.popLast()?.role else { return }
        if name == "app" { hasReading.removeLast() }
        if textDepth > 0 {
            switch role {
            case .paragraph: writer.separate(.paragraph)
            case .line: writer.separate(.line)
            case .item: writer.endItem(.line)
            case .cell: writer.endItem(.tab)
            case .note: writer.endNote()
            case .inline, .skipped: break
            }
        }
        if name == "text" { textDepth -= 1 }
    }

    mutating func text(_ bytes: UnsafeBufferPointer<UInt8>, _ writer: inout ParagraphWriter) {
        if textDepth > 0 { writer.text(bytes) }
    }
}
