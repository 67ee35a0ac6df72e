/// How an element of HTML affects its text.
struct HTMLElement {
    enum Kind {
        /// Continues the text around it.
        case inline
        case paragraph, item, list, cell, row, table, rows, preformatted, lineBreak, rule
        /// Contains no text of the document.
        case skipped
        case head
        /// Contains text without tags that is not part of the document.
        case raw
        case ruby, rubyText
    }

    var kind = Kind.inline
    var isVoid = false
    /// Whether it may be part of the head.
    var isInHead = false
    /// Whether its beginning ends an open paragraph.
    var endsParagraph = false

    /// The elements that are not inline.
    static let table = HTMLElementTable(
        rows: [
            (
                .paragraph, true,
                "address article aside blockquote body center details dialog div fieldset figcaption figure footer "
                    + "form h1 h2 h3 h4 h5 h6 header hgroup html legend main p search section summary caption"
            ),
            (.list, true, "ul ol menu dir dl"),
            (.item, false, "li dt dd optgroup"),
            (.cell, false, "td th"), (.row, false, "tr"), (.rows, false, "tbody thead tfoot"), (.table, true, "table"),
            (.preformatted, true, "pre listing xmp"),
            (.lineBreak, false, "br"), (.rule, true, "hr"),
            (.skipped, true, "nav"),
            (
                .skipped, false,
                "template noscript select datalist audio video canvas svg annotation annotation-xml en-crypt"
            ),
            (.head, false, "head"),
            (.raw, false, "script style title textarea iframe noembed noframes"),
            (.ruby, false, "ruby rb"), (.rubyText, false, "rt rp rtc"),
        ],
        void: "area base basefont bgsound br col embed frame hr img input keygen link meta param source track wbr",
        inHead: "base basefont bgsound link meta noframes noscript script style template title")
}

/// The name of an element or attribute in lower case, packed. Names with more than eight bytes are hashed.
struct HTMLName: Equatable {
    private(set) var bits: UInt64 = 0
    private(set) var length = 0

    init() {}

    @inline(__always)
    static func == (left: Self, right: Self) -> Bool { left.bits == right.bits && left.length == right.length }

    init(_ text: some StringProtocol) { text.utf8.forEach { append($0) } }

    /// The name, if it has at most eight bytes.
    var bytes: [UInt8] { (0..<min(length, 8)).reversed().map { UInt8(truncatingIfNeeded: bits >> (8 * UInt64($0))) } }

    @inline(__always)
    mutating func append(_ byte: UInt8) {
        let value = UInt64(byte.asciiLowerCase)
        bits = length < 8 ? bits << 8 | value : (bits ^ value) &* 0x9E37_79B9_7F4A_7C15 | 1 << 63
        length &+= 1
    }
}

/// A hash table with one probe for most names.
struct HTMLElementTable {
    private static let slots = 512
    private var names = [UInt64](repeating: 0, count: slots)
    private var elements = [HTMLElement](repeating: HTMLElement(), count: slots)

    fileprivate init(rows: [(kind: HTMLElement.Kind, endsParagraph: Bool, names: String)], void: String, inHead: String)
    {
        for row in rows {
            for name in row.names.split(separator: " ") {
                update(name) { ($0.kind, $0.endsParagraph) = (row.kind, row.endsParagraph) }
            }
        }
        void.split(separator: " ").forEach { update($0) { $0.isVoid = true } }
        inHead.split(separator: " ").forEach { update($0) { $0.isInHead = true } }
    }

    /// The element with this name; unknown elements are inline.
    subscript(name: HTMLName) -> HTMLElement {
        let slot = find(name.bits)
        return names[slot] == name.bits ? elements[slot] : HTMLElement()
    }

    private mutating func update(_ name: Substring, _ change: (inout HTMLElement) -> Void) {
        let bits = HTMLName(name).bits
        let slot = find(bits)
        names[slot] = bits
        change(&elements[slot])
    }

    /// Returns the slot of a name, or the free slot for it. Most slots are free.
    private func find(_ bits: UInt64) -> Int {
        var slot = Int(truncatingIfNeeded: (bits &* 0x9E37_79B9_7F4A_7C15) >> 55)
        while names[slot] != 0, names[slot] != bits { slot = (slot + 1) % Self.slots }
        return slot
    }
}
