/// Selects the text of an HTML document and separates its paragraphs.
///
/// Only the part of the tree is tracked that decides what is visible and where paragraphs end: open elements that are
/// not inline, and those that are not visible. End tags that HTML allows to be omitted are implied as in WHATWG HTML,
/// 13.2.6. Elements nested deeper than `deepest` are not tracked, as in browsers.
struct HTMLText {
    private struct OpenElement {
        var name: HTMLName
        var kind: HTMLElement.Kind
        /// For a cell, the number of paragraphs before it.
        var paragraphs = 0
        /// Where its contents begin in the input.
        var begin = 0
    }

    static let deepest = 512

    // Not static, because access to a static constant is checked each time.
    let elements = HTMLElement.table
    private let paragraph = HTMLName("p")
    private let body = HTMLName("body")
    private let html = HTMLName("html")
    private let svg = HTMLName("svg")
    private let math = HTMLName("math")
    private let encrypted = HTMLName("en-crypt")
    var writer: ParagraphWriter
    /// Whether `/>` ends an element, and CDATA sections are text.
    let isXHTML: Bool
    private var open: [OpenElement] = []
    /// Number of open elements that are not tracked.
    private var untracked = 0
    /// Number of tracked elements around the outermost one that is not visible.
    private var skipDepth: Int?
    private var preformattedDepth = 0
    /// Number of open `math` elements.
    private var mathDepth = 0
    private var isAtPreformattedStart = false

    init(writer: ParagraphWriter, isXHTML: Bool) {
        self.writer = writer
        self.isXHTML = isXHTML
    }

    /// Where the current tag is in the input.
    var place = 0..<0
    /// Number of bytes of the input in elements that are not visible but lack their end tags, and may therefore extend
    /// further than intended.
    private(set) var bytesLeftOut = 0
    /// Number of `en-crypt` elements (ENML).
    private(set) var encryptedParts = 0
    /// Whether there is text in the element that is not visible.
    private var hasSkippedText = false

    /// Whether CDATA sections are text here.
    var hasSections: Bool { isXHTML || mathDepth > 0 || open.contains { $0.name == svg } }

    // MARK: Text

    mutating func text(_ bytes: UnsafeBufferPointer<UInt8>) {
        if skipDepth != nil {
            guard !hasSkippedText || isInHead, bytes.contains(where: { $0 > 0x20 }) else { return }
            guard isInHead else { return hasSkippedText = true }
            // Text ends the head, whose tags can be omitted. The white space before it belongs to the head.
            pop(to: open.count - 1)
            guard skipDepth == nil else { return }
            return text(UnsafeBufferPointer(rebasing: bytes.drop { $0 <= 0x20 }))
        }
        guard preformattedDepth > 0 else { return writer.text(bytes) }
        guard isAtPreformattedStart else { return writer.preformatted(bytes) }
        isAtPreformattedStart = false
        let isNewline = bytes.first == UInt8(ascii: "\n")
        writer.preformatted(UnsafeBufferPointer(rebasing: bytes.dropFirst(isNewline ? 1 : 0)))
    }

    mutating func text(_ scalar: Unicode.Scalar) { scalar.withUTF8 { text($0) } }

    // MARK: Tags

    mutating func startTag(_ tag: HTMLTokenizer.Tag, _ element: HTMLElement) {
        if isInHead, !element.isInHead { pop(to: open.count - 1) }
        endImplied(by: tag.name, element)
        if element.kind == .skipped, skipDepth == nil, tag.name == encrypted { encryptedParts += 1 }
        if skipDepth == nil { begin(element) }
        // Browsers honor `/>` outside of HTML's own elements.
        let isForeign = tag.name == svg || tag.name == math
        let isEmpty = element.isVoid || tag.isSelfClosing && (isXHTML || isForeign)
        if isForeign, !isEmpty, tag.name == math { mathDepth += 1 } else if element.endsParagraph { mathDepth = 0 }
        guard !isEmpty else {
            if skipDepth == nil { end(OpenElement(name: tag.name, kind: element.kind)) }
            return
        }
        let isBody = tag.name == body || tag.name == html
        let beginsSkipping =
            switch element.kind {
            case .skipped, .head, .rubyText: true
            case .raw: false
            default: tag.isHidden && !isBody
            }
        let isTracked =
            switch element.kind {
            case .raw: false
            // Inside an element that is not visible, only elements of the same name, which delay its end.
            case .inline: skipDepth.map { open[$0].name == tag.name } ?? beginsSkipping
            default: true
            }
        guard isTracked else { return }
        guard open.count < Self.deepest else {
            if element.kind != .inline { untracked += 1 }
            return
        }
        if beginsSkipping, skipDepth == nil { (skipDepth, hasSkippedText) = (open.count, false) }
        if element.kind == .preformatted { preformattedDepth += 1 }
        open.append(
            OpenElement(
                name: tag.name, kind: element.kind, paragraphs: writer.nextParagraph, begin: place.upperBound))
    }

    mutating func endTag(_ name: HTMLName) {
        let element = elements[name]
        if element.kind == .raw { return }
        if mathDepth > 0, name == math { mathDepth -= 1 }
        if element.kind == .inline {
            guard let skipDepth, open[skipDepth].name == name else { return }
        }
        if element.kind == .lineBreak { return startTag(HTMLTokenizer.Tag(name: name), element) }
        if untracked > 0, element.kind != .inline {
            untracked -= 1
            if skipDepth == nil { end(OpenElement(name: name, kind: element.kind)) }
            return
        }
        let isOfTable = element.kind.isOfTable
        var index = open.count - 1
        while index >= 0, open[index].name != name {
            let kind = open[index].kind
            // An end tag inside a cell does not end elements around the table.
            if kind == .table || kind == .cell && !isOfTable { return }
            index -= 1
        }
        if index >= 0 {
            countLeftOut(endedBy: element.kind, at: index)
            pop(to: index)
        } else if skipDepth == nil, element.kind != .cell {
            end(OpenElement(name: name, kind: element.kind))
        }
    }

    /// Ends the input. Everything from `end` is left out.
    mutating func finish(at end: Int) {
        place = end..<end
        countLeftOut(endedBy: nil, at: -1)
    }

    /// Counts an element that is not visible as left out if an element around it ends before it does.
    /// - Parameters:
    ///   - kind: the kind of the end tag that ends it, if there is one
    ///   - index: the place of the outermost element that ends
    private mutating func countLeftOut(endedBy kind: HTMLElement.Kind?, at index: Int) {
        guard let skipDepth, skipDepth > index, hasSkippedText else { return }
        let element = open[skipDepth]
        switch element.kind {
        // Their end tags may be omitted.
        case .item, .row, .rows, .cell, .head: return
        case .rubyText where kind == .ruby: return
        case _ where element.name == paragraph: return
        default: bytesLeftOut += place.lowerBound - element.begin
        }
    }

    /// Ends open elements whose end tags may be omitted before this element.
    private mutating func endImplied(by name: HTMLName, _ element: HTMLElement) {
        switch element.kind {
        case .inline: return
        case .item: endInnermost(until: { $0.kind == .list || $0.kind.isOfTable }) { $0.kind == .item }
        case .cell: endInnermost(until: { $0.kind == .row || $0.kind == .table }) { $0.kind == .cell }
        case .row: endInnermost(until: { $0.kind == .table }) { $0.kind == .row }
        case .rows: endInnermost(until: { $0.kind == .table }) { $0.kind == .rows || $0.kind == .row }
        case .rubyText, .ruby:
            while let last = open.last, last.kind == .rubyText { pop(to: open.count - 1) }
        default: break
        }
        guard element.endsParagraph || element.kind == .item else { return }
        let paragraph = paragraph
        endInnermost(until: { $0.name != paragraph && $0.kind != .inline }) { $0.name == paragraph }
    }

    /// Ends the outermost matching element up to an element that `isBarrier`.
    private mutating func endInnermost(until isBarrier: (OpenElement) -> Bool, where matches: (OpenElement) -> Bool) {
        var found: Int?
        for index in open.indices.reversed() {
            if matches(open[index]) { found = index }
            if isBarrier(open[index]) { break }
        }
        if let found {
            countLeftOut(endedBy: nil, at: found)
            pop(to: found)
        }
    }

    private mutating func pop(to count: Int) {
        while open.count > count {
            let element = open.removeLast()
            if element.kind == .preformatted { preformattedDepth -= 1 }
            if let depth = skipDepth {
                if open.count == depth { skipDepth = nil }
            } else {
                end(element)
            }
        }
    }

    // MARK: Separators

    private mutating func begin(_ element: HTMLElement) {
        switch element.kind {
        case .paragraph: writer.beginParagraph()
        case .preformatted:
            writer.beginParagraph()
            isAtPreformattedStart = true
        case .list: isInItem ? writer.endItem(.line) : writer.beginParagraph()
        case .item: writer.beginItem(.line)
        case .cell: writer.beginItem(.tab)
        case .row, .rows: writer.separate(.line)
        case .table: writer.beginParagraph()
        case .rule: writer.separate(.paragraph)
        case .lineBreak: writer.newLine()
        case .inline, .skipped, .head, .raw, .ruby, .rubyText: break
        }
    }

    private mutating func end(_ element: OpenElement) {
        switch element.kind {
        case .paragraph, .preformatted, .table: writer.separate(.paragraph)
        case .list: writer.separate(isInItem ? .line : .paragraph)
        case .item: writer.endItem(.line)
        // A cell with several paragraphs is part of a layout, not of a table.
        case .cell: writer.nextParagraph <= element.paragraphs + 1 ? writer.endItem(.tab) : writer.separate(.tab)
        case .row, .rows: writer.separate(.line)
        case .inline, .lineBreak, .rule, .skipped, .head, .raw, .ruby, .rubyText: break
        }
    }

    private var isInHead: Bool { if let last = open.last { last.kind == .head } else { false } }

    private var isInItem: Bool {
        for element in open.reversed() {
            if element.kind == .item { return true }
            if element.kind == .list || element.kind.isOfTable { return false }
        }
        return false
    }
}

extension HTMLElement.Kind {
    var isOfTable: Bool { self == .cell || self == .row || self == .rows || self == .table }
}
