import TextReading

/// An electronic book: XHTML chapters in the order that its package document lists.
struct EPUB {
    private static let container = "META-INF/container.xml"
    private static let encryption = "META-INF/encryption.xml"
    /// Extensions of members that cannot be chapters.
    private static let otherExtensions: Set<String> = [
        "jpg", "jpeg", "png", "gif", "svg", "webp", "css", "js", "ttf", "otf", "woff", "woff2", "mp3", "mp4", "m4a",
        "ogg", "ncx", "smil", "pls", "json", "bmp", "tif", "tiff", "wasm",
    ]

    let members: [String: FileRegion]
    /// The encoding that the user configured, for chapters that declare none and are not UTF-8.
    let configured: String?

    static func isWanted(_ name: String) -> Bool { !otherExtensions.contains(ending(of: name)) && name != "mimetype" }

    /// - Throws: `RejectionError`
    func read(into reading: inout CorpusReading) throws {
        try checkEncryption(&reading)
        let rootFiles = ContainerRootFiles()
        if let region = members[Self.container] { try XMLParser(handler: rootFiles).parse(region, into: &reading) }
        guard let path = rootFiles.paths.first(where: { members[$0] != nil }), let region = members[path] else {
            throw RejectionError("is an EPUB without its package document, which META-INF/container.xml names")
        }
        let package = EPUBPackage()
        let parser = XMLParser(handler: package)
        try parser.parse(region, into: &reading)
        if let failure = parser.failure, !package.hasWholeSpine {
            throw RejectionError("is an EPUB whose package document cannot be read: \(failure)")
        }
        let chapters = package.chapters(relativeTo: path)
        guard !chapters.isEmpty else {
            throw RejectionError("is an EPUB whose package document lists no chapters")
        }
        try read(chapters, into: &reading)
    }

    private func read(_ chapters: [String], into reading: inout CorpusReading) throws {
        var (replaced, encodings) = (Replacements(), Set<String>())
        var (missing, unreadable, unfinished) = (0, 0, 0)
        var firstReason: String?
        try reading.readDocument(.text) { take in
            var writer = ParagraphWriter()
            var loss = Loss()
            for chapter in chapters {
                guard let region = members[chapter] else {
                    missing += 1
                    continue
                }
                let declared = Markup.declaredEncoding(try region.head(Markup.headBytes))
                let encoding: TextEncoding
                do {
                    // Most books are UTF-8, even if the folder's other files are not.
                    encoding = try TextEncoding.determine(
                        region, declared: declared ?? configured ?? "UTF-8", configured: nil)
                } catch let error as RejectionError {
                    unreadable += 1
                    firstReason = firstReason ?? "‘\(MemberLog.shown(chapter))’ \(error.reason.text)"
                    continue
                }
                encodings.insert(encoding.name)
                writer.separate(.paragraph)
                var document = HTMLDocument(writer: writer, isXHTML: true)
                replaced += try encoding.decode(region) { try document.append($0, take) }
                document.finish()
                if document.bytesLeftOut > 0 { unfinished += 1 }
                loss.add(document.bytesLeftOut, of: document.inputBytes)
                writer = document.writer
            }
            var lostChapters = Loss()
            lostChapters.add(missing + unreadable, of: chapters.count)
            try lostChapters.check(
                firstReason.map { "is an EPUB with chapters that cannot be read (\($0))" }
                    ?? "is an EPUB without some of its chapters", unit: "chapters")
            guard writer.hasContent else {
                throw RejectionError("is an EPUB without text: its \(chapters.count) pages may be pictures")
            }
            try loss.check("is an EPUB with comments, tags or navigation that are not closed")
            try writer.finish(take)
        }
        reading.describe(format: "EPUB", encoding: encodings.count == 1 ? encodings.first : nil)
        reading.count(replaced)
        if missing > 0 { reading.warn("\(missing) of \(chapters.count) chapters are missing in the EPUB") }
        if let firstReason {
            reading.warn(
                "\(unreadable) of \(chapters.count) chapters cannot be read and were left out: \(firstReason)")
        }
        if unfinished > 0 {
            reading.warn(
                "parts of \(unfinished) of \(chapters.count) chapters are in comments, tags or navigation that are not "
                    + "closed and were left out")
        }
    }

    /// - Throws: `RejectionError` if anything but fonts is encrypted
    private func checkEncryption(_ reading: inout CorpusReading) throws {
        guard let region = members[Self.encryption] else { return }
        let methods = EncryptionMethods()
        try XMLParser(handler: methods).parse(region, into: &reading)
        if methods.encryptsContents {
            throw RejectionError("is an EPUB that is protected (DRM): only its seller's programs can read it")
        }
    }
}

/// The paths of package documents in `META-INF/container.xml`.
private final class ContainerRootFiles: XMLHandler {
    private(set) var paths: [String] = []
    let heldBytes = 0

    func start(_ element: XMLElement) {
        guard element.name == "rootfile", paths.count < 16, let path = element["full-path"] else { return }
        paths.append(path)
    }

    func end(_ name: String) {}
    func text(_ bytes: UnsafeBufferPointer<UInt8>) {}
}

/// Whether `META-INF/encryption.xml` lists more than obfuscated fonts.
private final class EncryptionMethods: XMLHandler {
    private static let ofFonts = ["http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC"]

    private(set) var encryptsContents = false
    private var isInData = false
    let heldBytes = 0

    func start(_ element: XMLElement) {
        switch element.name {
        case "EncryptedData": isInData = true
        case "EncryptionMethod" where isInData:
            if !Self.ofFonts.contains(element["Algorithm"] ?? "") { encryptsContents = true }
        default: break
        }
    }

    func end(_ name: String) { if name == "EncryptedData" { isInData = false } }
    func text(_ bytes: UnsafeBufferPointer<UInt8>) {}
}

/// The manifest and the spine of a package document.
private final class EPUBPackage: XMLHandler {
    private struct Item {
        var path: String
        var isText: Bool
    }

    private static let mostItems = 100_000
    private static let textTypes: Set<String> = [
        "application/xhtml+xml", "text/html", "application/x-dtbook+xml", "text/x-oeb1-document", "application/xml",
        "text/xml",
    ]

    private var items: [String: Item] = [:]
    private var spine: [(id: String, isLinear: Bool)] = []
    /// Whether the list of chapters was read to its end.
    private(set) var hasWholeSpine = false
    let heldBytes = 0

    func start(_ element: XMLElement) {
        switch element.name {
        case "item":
            guard items.count < Self.mostItems, let id = element["id"], let path = element["href"] else { return }
            let isNavigation = element["properties"]?.split(separator: " ").contains("nav") ?? false
            let isText = Self.textTypes.contains(element["media-type"] ?? "")
            items[id] = Item(path: path, isText: isText && !isNavigation)
        case "itemref":
            guard spine.count < Self.mostItems, let id = element["idref"] else { return }
            spine.append((id, element["linear"] != "no"))
        default: break
        }
    }

    func end(_ name: String) { if name == "spine" { hasWholeSpine = true } }
    func text(_ bytes: UnsafeBufferPointer<UInt8>) {}

    /// Returns the paths of the chapters in reading order, each once. Those outside the main order come last.
    func chapters(relativeTo package: String) -> [String] {
        var seen: Set<String> = []
        return (spine.filter(\.isLinear) + spine.filter { !$0.isLinear }).compactMap { place in
            guard let item = items[place.id], item.isText else { return nil }
            let path = resolve(item.path, relativeTo: package)
            return seen.insert(path).inserted ? path : nil
        }
    }

    /// Resolves a relative reference of the package document.
    private func resolve(_ reference: String, relativeTo package: String) -> String {
        let path = percentDecoded(reference.prefix { $0 != "#" && $0 != "?" })
        var parts = path.hasPrefix("/") ? [] : package.split(separator: "/").dropLast().map(String.init)
        for part in path.split(separator: "/") {
            switch part {
            case ".": break
            case "..": _ = parts.popLast()
            default: parts.append(String(part))
            }
        }
        return parts.joined(separator: "/")
    }

    private func percentDecoded(_ text: Substring) -> String {
        var (bytes, rest): ([UInt8], Substring.UTF8View) = ([], text.utf8)
        while let byte = rest.popFirst() {
            let digits = rest.prefix(2)
            if byte == UInt8(ascii: "%"), digits.count == 2, !digits.contains(UInt8(ascii: "+")),
                let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
