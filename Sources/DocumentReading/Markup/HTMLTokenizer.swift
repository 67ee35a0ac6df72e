import Glibc

/// Splits HTML into tags and text.
///
/// Reads HTML and XHTML as browsers do (WHATWG HTML, 13.2.5), in constant memory: names are packed, attribute values
/// are only kept as far as they matter, and a tag, a comment or a text may be of any length and be split into pieces
/// anywhere. Never fails: whatever cannot be a tag is text.
struct HTMLTokenizer {
    struct Tag {
        var name = HTMLName()
        var isEnd = false
        var isSelfClosing = false
        /// Whether an attribute says that the element is not part of the visible text.
        var isHidden = false
    }

    private enum State: UInt8 {
        /// If the input ends here, whatever has begun is text.
        case text, reference, tagOpen, endTagOpen, section
        /// If the input ends here, whatever has begun is left out.
        case tagName, beforeAttribute, attributeName, afterAttributeName, beforeValue, quotedValue, unquotedValue,
            declaration, comment, bogus, raw
    }

    private static let hiddenRoles = ["navigation", "doc-pagebreak", "pagebreak"].map { Array($0.utf8) }
    /// The link signs beside headings in pages of Sphinx, visible only under the pointer.
    private static let hiddenClass = Array("headerlink".utf8)
    private static let longestValue = 16

    // Not static, because access to a static constant is checked each time.
    private let hidden = HTMLName("hidden")
    private let role = HTMLName("role")
    private let type = HTMLName("epub:type")
    private let styleClass = HTMLName("class")
    private var state = State.text
    private var tag = Tag()
    private var attribute = HTMLName()
    private var value: [UInt8] = []
    private var quote: UInt8 = 0
    /// The bytes after `&`, `<!` or `</` that decide what follows.
    private var begun: [UInt8] = []
    /// Number of hyphens or brackets at the end of a comment or a CDATA section so far.
    private var endCount = 0
    private var isAfterBang = false
    /// The name of the element whose raw contents are being read.
    private var rawName: [UInt8] = []
    private var references = CharacterReferences()
    /// Index of the first `<` at or after the current index, or the number of current bytes if there is none. Unknown
    /// if it is less than the current index. Remembered so that a text with many `&` is not searched again for each.
    private var nextTag = -1
    /// Where the construct begins that is left out if the input ends within it.
    private var unfinishedBegin = 0
    /// Number of bytes of the pieces before the current one.
    private var bytesBefore = 0
    private var tagBegin = 0

    /// Number of bytes of the input so far.
    var inputBytes: Int { bytesBefore }
    /// Number of bytes at the end of the input so far that are inside a tag, a comment, or an element such as `script`.
    var bytesLeftOut: Int { isUnfinished ? bytesBefore - unfinishedBegin : 0 }

    private var isUnfinished: Bool { state.rawValue >= State.tagName.rawValue }

    /// Reads a piece of UTF-8.
    mutating func append(_ piece: UnsafeRawBufferPointer, to sink: inout HTMLText) {
        piece.withMemoryRebound(to: UInt8.self) { bytes in
            var index = 0
            nextTag = -1
            while index < bytes.count {
                step(bytes, &index, &sink)
            }
            bytesBefore += bytes.count
        }
    }

    /// Ends the input.
    mutating func finish(to sink: inout HTMLText) {
        switch state {
        case .reference: endReference(isTerminated: false, &sink)
        case .tagOpen: sink.text("<")
        case .endTagOpen:
            sink.text("<")
            sink.text("/")
        case .section: endSection(&sink)
        default: break
        }
        sink.finish(at: bytesBefore - bytesLeftOut)
    }

    /// Reads the contents of an element up to its end tag, whose name is `name`, as raw text.
    private mutating func beginRaw(_ name: HTMLName, at index: Int) {
        rawName = name.bytes
        begun.removeAll(keepingCapacity: true)
        begin(.raw, at: index)
    }

    private mutating func begin(_ unfinished: State, at index: Int) {
        (state, unfinishedBegin) = (unfinished, bytesBefore + index)
    }

    private mutating func step(_ bytes: UnsafeBufferPointer<UInt8>, _ index: inout Int, _ sink: inout HTMLText) {
        switch state {
        case .text: text(bytes, &index, &sink)
        case .raw: raw(bytes, &index, &sink)
        case .quotedValue: quotedValue(bytes, &index)
        case .comment: comment(bytes, &index)
        case .section: section(bytes, &index, &sink)
        case .bogus: if !skip(to: UInt8(ascii: ">"), bytes, &index) { state = .text }
        case .reference: reference(bytes, &index, &sink)
        case .tagOpen: tagOpen(bytes, &index, &sink)
        case .endTagOpen: endTagOpen(bytes, &index, &sink)
        case .declaration: declaration(bytes, &index, sink)
        case .tagName:
            while index < bytes.count, !isTagNameEnd(bytes[index]) {
                tag.name.append(bytes[index])
                index += 1
            }
            if index < bytes.count { state = .beforeAttribute }
        case .beforeAttribute, .attributeName, .afterAttributeName, .beforeValue, .unquotedValue:
            attributes(bytes, &index, &sink)
        }
    }

    // MARK: Text

    private mutating func text(_ bytes: UnsafeBufferPointer<UInt8>, _ index: inout Int, _ sink: inout HTMLText) {
        let begin = bytes.baseAddress! + index
        if nextTag < index {
            nextTag =
                memchr(begin, Int32(UInt8(ascii: "<")), bytes.count - index).map {
                    index + ($0 - UnsafeMutableRawPointer(mutating: begin))
                } ?? bytes.count
        }
        let length = nextTag - index
        let untilReference = memchr(begin, Int32(UInt8(ascii: "&")), length).map {
            $0 - UnsafeMutableRawPointer(mutating: begin)
        }
        let count = untilReference ?? length
        if count > 0 { sink.text(UnsafeBufferPointer(start: begin, count: count)) }
        index += count
        guard index < bytes.count else { return }
        tagBegin = bytesBefore + index
        index += 1
        if !begun.isEmpty { begun.removeAll(keepingCapacity: true) }
        state = untilReference != nil ? .reference : .tagOpen
    }

    private mutating func reference(_ bytes: UnsafeBufferPointer<UInt8>, _ index: inout Int, _ sink: inout HTMLText) {
        while index < bytes.count {
            let byte = bytes[index]
            let isName = byte.isASCIILetter || byte.isASCIIDigit || (begun.isEmpty && byte == UInt8(ascii: "#"))
            guard isName, begun.count < CharacterReferences.longest else {
                let isTerminated = byte == UInt8(ascii: ";")
                if isTerminated { index += 1 }
                return endReference(isTerminated: isTerminated, &sink)
            }
            begun.append(byte)
            index += 1
        }
    }

    private mutating func endReference(isTerminated: Bool, _ sink: inout HTMLText) {
        state = .text
        let found = references.resolve(begun, isTerminated: isTerminated)
        if let found { sink.text(found.scalar) } else { sink.text("&") }
        if found?.used == begun.count { return }
        var rest = begun.dropFirst(found?.used ?? 0)
        if isTerminated { rest.append(UInt8(ascii: ";")) }
        rest.withUnsafeBufferPointer { sink.text($0) }
    }

    // MARK: Tags

    private mutating func tagOpen(_ bytes: UnsafeBufferPointer<UInt8>, _ index: inout Int, _ sink: inout HTMLText) {
        let byte = bytes[index]
        switch byte {
        case _ where byte.isASCIILetter:
            tag = Tag()
            begin(.tagName, at: index)
        case UInt8(ascii: "/"):
            index += 1
            state = .endTagOpen
        case UInt8(ascii: "!"):
            index += 1
            begin(.declaration, at: index)
        case UInt8(ascii: "?"): begin(.bogus, at: index)
        default:
            sink.text("<")
            state = .text
        }
    }

    private mutating func endTagOpen(_ bytes: UnsafeBufferPointer<UInt8>, _ index: inout Int, _ sink: inout HTMLText) {
        if bytes[index].isASCIILetter {
            tag = Tag(isEnd: true)
            begin(.tagName, at: index)
        } else {
            begin(.bogus, at: index)
        }
    }

    private mutating func attributes(_ bytes: UnsafeBufferPointer<UInt8>, _ index: inout Int, _ sink: inout HTMLText) {
        let byte = bytes[index]
        switch (state, byte) {
        case (.unquotedValue, _) where !isSpace(byte) && byte != UInt8(ascii: ">"):
            if value.count <= Self.longestValue { value.append(byte) }
            index += 1
        case (.beforeValue, _) where isSpace(byte): index += 1
        case (.beforeValue, UInt8(ascii: "\"")), (.beforeValue, UInt8(ascii: "'")):
            (quote, state) = (byte, .quotedValue)
            index += 1
        case (.beforeValue, _) where byte != UInt8(ascii: ">"): state = .unquotedValue
        case (_, UInt8(ascii: ">")):
            endAttribute()
            index += 1
            state = .text
            sink.place = tagBegin..<max(tagBegin, bytesBefore + index)
            endTag(at: index, &sink)
        case (.attributeName, UInt8(ascii: "=")), (.afterAttributeName, UInt8(ascii: "=")):
            state = .beforeValue
            index += 1
        case (.attributeName, _) where isSpace(byte):
            state = .afterAttributeName
            index += 1
        case (.attributeName, _) where byte != UInt8(ascii: "/"):
            while index < bytes.count, isAttributeName(bytes[index]) {
                attribute.append(bytes[index])
                index += 1
            }
        case (.unquotedValue, _):
            endAttribute()
            state = .beforeAttribute
        case (_, _) where isSpace(byte): index += 1
        case (_, UInt8(ascii: "/")):
            endAttribute()
            tag.isSelfClosing = true
            state = .beforeAttribute
            index += 1
        default:
            endAttribute()
            tag.isSelfClosing = false
            attribute.append(byte)
            state = .attributeName
            index += 1
        }
    }

    private mutating func quotedValue(_ bytes: UnsafeBufferPointer<UInt8>, _ index: inout Int) {
        let begin = index
        let isOpen = skip(to: quote, bytes, &index)
        let end = isOpen ? index : index - 1
        if attribute == role || attribute == type || attribute == styleClass {
            value.append(contentsOf: bytes[begin..<end].prefix(Self.longestValue + 1 - value.count))
        }
        guard !isOpen else { return }
        endAttribute()
        state = .beforeAttribute
    }

    private mutating func endAttribute() {
        guard attribute.length > 0 else { return }
        if attribute == hidden {
            tag.isHidden = true
        } else if attribute == role || attribute == type {
            if Self.hiddenRoles.contains(value) { tag.isHidden = true }
        } else if attribute == styleClass {
            if value == Self.hiddenClass { tag.isHidden = true }
        }
        attribute = HTMLName()
        if !value.isEmpty { value.removeAll(keepingCapacity: true) }
    }

    private mutating func endTag(at index: Int, _ sink: inout HTMLText) {
        if tag.isEnd { return sink.endTag(tag.name) }
        let element = sink.elements[tag.name]
        sink.startTag(tag, element)
        if element.kind == .raw, !(tag.isSelfClosing && sink.isXHTML) { beginRaw(tag.name, at: index) }
    }

    // MARK: What is not text

    private mutating func declaration(_ bytes: UnsafeBufferPointer<UInt8>, _ index: inout Int, _ sink: HTMLText) {
        begun.append(bytes[index])
        if begun == Array("--".utf8) {
            (endCount, isAfterBang) = (2, false)
            begin(.comment, at: index + 1)
        } else if begun == Array("[CDATA[".utf8), sink.hasSections {
            (state, endCount) = (.section, 0)
        } else if begun.count < 7, Array("--".utf8).starts(with: begun) || Array("[CDATA[".utf8).starts(with: begun) {
            index += 1
            return
        } else {
            return begin(.bogus, at: index)
        }
        index += 1
    }

    private mutating func comment(_ bytes: UnsafeBufferPointer<UInt8>, _ index: inout Int) {
        let hyphen = UInt8(ascii: "-")
        if endCount == 0, !skip(to: hyphen, bytes, &index) { endCount = 1 }
        while index < bytes.count, endCount > 0 {
            let byte = bytes[index]
            index += 1
            switch byte {
            case hyphen:
                endCount = isAfterBang ? 1 : min(endCount + 1, 2)
                isAfterBang = false
            case UInt8(ascii: ">") where endCount == 2:
                state = .text
                return
            case UInt8(ascii: "!") where endCount == 2 && !isAfterBang: isAfterBang = true
            default: (endCount, isAfterBang) = (0, false)
            }
        }
    }

    /// Reads a CDATA section, which is text in XHTML, SVG and MathML. Elsewhere, it is a comment up to the next `>`.
    private mutating func section(_ bytes: UnsafeBufferPointer<UInt8>, _ index: inout Int, _ sink: inout HTMLText) {
        let bracket = UInt8(ascii: "]")
        let begin = index
        while index < bytes.count, bytes[index] != bracket, endCount == 0 { index += 1 }
        if index > begin { sink.text(UnsafeBufferPointer(rebasing: bytes[begin..<index])) }
        guard index < bytes.count else { return }
        if bytes[index] == bracket {
            if endCount == 2 { sink.text("]") } else { endCount += 1 }
            index += 1
        } else if endCount == 2, bytes[index] == UInt8(ascii: ">") {
            endCount = 0
            state = .text
            index += 1
        } else {
            endSection(&sink)
        }
    }

    private mutating func endSection(_ sink: inout HTMLText) {
        for _ in 0..<endCount { sink.text("]") }
        endCount = 0
    }

    /// Skips raw contents up to `</name` and a byte that ends a tag's name.
    private mutating func raw(_ bytes: UnsafeBufferPointer<UInt8>, _ index: inout Int, _ sink: inout HTMLText) {
        if begun.isEmpty {
            guard !skip(to: UInt8(ascii: "<"), bytes, &index) else { return }
            tagBegin = bytesBefore + index - 1
            begun.append(UInt8(ascii: "<"))
        }
        while index < bytes.count {
            let byte = bytes[index]
            switch begun.count {
            case 1 where byte == UInt8(ascii: "/"): begun.append(byte)
            case 2..<2 + rawName.count where byte | 0x20 == rawName[begun.count - 2]: begun.append(byte)
            case 2 + rawName.count where isTagNameEnd(byte):
                tag = Tag(isEnd: true)
                rawName.forEach { tag.name.append($0) }
                begin(.beforeAttribute, at: index)
                return
            default: return begun.removeAll(keepingCapacity: true)
            }
            index += 1
        }
    }

    /// Moves past the next `byte`.
    /// - Returns: whether there is none in this piece
    private func skip(to byte: UInt8, _ bytes: UnsafeBufferPointer<UInt8>, _ index: inout Int) -> Bool {
        let begin = bytes.baseAddress! + index
        guard let found = memchr(begin, Int32(byte), bytes.count - index) else {
            index = bytes.count
            return true
        }
        index += found - UnsafeMutableRawPointer(mutating: begin) + 1
        return false
    }

    private func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) && byte != 0x0B }
    private func isAttributeName(_ byte: UInt8) -> Bool { !isTagNameEnd(byte) && byte != UInt8(ascii: "=") }
    private func isTagNameEnd(_ byte: UInt8) -> Bool {
        isSpace(byte) || byte == UInt8(ascii: "/") || byte == UInt8(ascii: ">")
    }
}
