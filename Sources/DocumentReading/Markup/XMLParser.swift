import CXML
import TextReading
import UTF8Sequences

/// Receives the contents of an XML document.
protocol XMLHandler: AnyObject {
    func start(_ element: XMLElement)
    func end(_ name: String)
    func text(_ bytes: UnsafeBufferPointer<UInt8>)
    /// Number of bytes of output that the handler holds.
    var heldBytes: Int { get }
}

/// A start tag, valid during the call that passes it.
struct XMLElement {
    /// The name without its prefix.
    let name: String
    fileprivate let uri: UnsafePointer<xmlChar>?
    fileprivate let attributes: UnsafeMutablePointer<UnsafePointer<xmlChar>?>?
    fileprivate let count: Int

    /// The URI of the namespace of the name.
    var namespace: String? { uri.map { String(cString: $0) } }

    /// Returns the value of the attribute with this name, whatever its prefix.
    subscript(_ attribute: String) -> String? {
        for index in 0..<count {
            let fields = attributes! + 5 * index
            guard let name = fields[0], let begin = fields[3], let end = fields[4],
                attribute.withCString({
                    xmlStrcmp(name, UnsafeRawPointer($0).assumingMemoryBound(to: xmlChar.self)) == 0
                })
            else { continue }
            return String(decoding: UnsafeBufferPointer(start: begin, count: end - begin), as: UTF8.self)
        }
        return nil
    }
}

/// Parses XML in pieces with libxml2. Nothing outside the document is loaded, and the limits of libxml2 for names,
/// attributes, comments and the expansion of entities apply.
final class XMLParser {
    /// Maximum depth of elements.
    static let deepest = 1000
    /// Maximum number of different names of elements and attributes: libxml2 searches them in linear time.
    private static let mostNames: Int32 = 50_000
    /// Maximum number of bytes of output for one piece of input: only entities that expand to much more reach it.
    private static let mostHeldBytes = 32 << 20
    private static let pieceBytes = 64 << 10

    private let context: xmlParserCtxtPtr
    private let handler: any XMLHandler
    private var depth = 0
    /// The beginning of a character whose end has not arrived.
    private var begun: [UInt8] = []
    /// Number of references to entities whose text is not in the document.
    private(set) var unknownEntities = 0
    /// Why parsing ended before the end of the document, and where.
    private(set) var failure: String?
    /// Number of bytes that were passed to `append`.
    private var inputBytes = 0
    /// Where parsing ended before the end of the document.
    private var failureOffset: Int?
    /// Whether the document declares entities that expand without bound.
    private var isBomb = false

    init(handler: any XMLHandler) {
        self.handler = handler
        var sax = xmlSAXHandler()
        xmlSAXVersion(&sax, 2)
        sax.externalSubset = nil
        sax.resolveEntity = nil
        sax.attributeDecl = nil
        sax.elementDecl = nil
        sax.notationDecl = nil
        sax.unparsedEntityDecl = nil
        sax.comment = nil
        sax.processingInstruction = nil
        sax.warning = nil
        sax.error = nil
        sax.fatalError = nil
        sax.startElementNs = { context, name, _, uri, _, _, count, _, attributes in
            parser(context)?.start(name, uri, count, attributes)
        }
        sax.endElementNs = { context, name, _, _ in parser(context)?.end(name) }
        sax.characters = { context, text, count in parser(context)?.text(text, count) }
        sax.ignorableWhitespace = sax.characters
        sax.cdataBlock = sax.characters
        sax.reference = { context, name in parser(context)?.reference(context, name) }
        sax.serror = { context, error in parser(context)?.fail(error) }
        xmlSetExternalEntityLoader { _, _, _ in nil }
        context = xmlCreatePushParserCtxt(&sax, nil, nil, 0, nil)
        xmlCtxtUseOptions(
            context, Int32(XML_PARSE_NONET.rawValue | XML_PARSE_IGNORE_ENC.rawValue | XML_PARSE_COMPACT.rawValue))
        context.pointee._private = Unmanaged.passUnretained(self).toOpaque()
    }

    deinit {
        if let document = context.pointee.myDoc { xmlFreeDoc(document) }
        xmlFreeParserCtxt(context)
    }

    /// Parses a piece of UTF-8, which may be split inside a character.
    /// - Parameter parsed: called after each part of the piece
    func append(_ piece: UnsafeRawBufferPointer, _ parsed: () throws -> Void) throws {
        inputBytes += piece.count
        var rest = piece[...]
        while !rest.isEmpty, failure == nil {
            var part = begun + rest.prefix(Self.pieceBytes)
            rest = rest.dropFirst(Self.pieceBytes)
            let end = part.withUnsafeBufferPointer { UTF8Sequence.validPrefix($0.baseAddress!, $0.count) }
            begun = Array(part[end...])
            guard begun.count < 4 else { return stop("line \(line) is not valid UTF-8") }
            part.removeLast(begun.count)
            parse(part)
            try checkBomb()
            try parsed()
        }
    }

    func finish() throws {
        guard failure == nil else { return }
        xmlParseChunk(context, nil, 0, 1)
        try checkBomb()
    }

    /// The reason to reject a document of this format in which no text was found.
    func rejection(of format: String) -> RejectionError {
        failure.map { RejectionError("\($0), and there is no text before it") }
            ?? RejectionError(
                "is \(format) without text")
    }

    /// The part after the place where parsing ended.
    var loss: Loss {
        var loss = Loss()
        loss.add(failureOffset.map { max(0, inputBytes - $0) } ?? 0, of: inputBytes)
        return loss
    }

    private func parse(_ part: [UInt8]) {
        part.withUnsafeBytes { bytes in
            guard let first = bytes.baseAddress, !bytes.isEmpty else { return }
            xmlParseChunk(context, first.assumingMemoryBound(to: CChar.self), Int32(bytes.count), 0)
        }
    }

    private func checkBomb() throws {
        if isBomb { throw RejectionError("line \(line): its entities expand to far more than the document") }
    }

    /// The place in the document, outside of the entities it refers to.
    private var offset: Int {
        guard context.pointee.inputNr > 0, let input = context.pointee.inputTab[0]?.pointee, let cur = input.cur,
            let base = input.base
        else { return inputBytes }
        return Int(input.consumed) + (cur - base)
    }

    private var line: Int { Int(xmlSAX2GetLineNumber(context)) }

    // MARK: Events

    fileprivate func start(
        _ name: UnsafePointer<xmlChar>?, _ uri: UnsafePointer<xmlChar>?, _ count: Int32,
        _ attributes: UnsafeMutablePointer<UnsafePointer<xmlChar>?>?
    ) {
        guard let name, failure == nil else { return }
        depth += 1
        guard depth <= Self.deepest else { return stop("line \(line): nested more than \(Self.deepest) levels deep") }
        guard xmlDictSize(context.pointee.dict) <= Self.mostNames else {
            return stop("line \(line): more than \(Self.mostNames) different names")
        }
        handler.start(XMLElement(name: String(cString: name), uri: uri, attributes: attributes, count: Int(count)))
    }

    fileprivate func end(_ name: UnsafePointer<xmlChar>?) {
        guard let name, failure == nil else { return }
        depth -= 1
        handler.end(String(cString: name))
    }

    fileprivate func text(_ text: UnsafePointer<xmlChar>?, _ count: Int32) {
        guard let text, count > 0, failure == nil else { return }
        handler.text(UnsafeBufferPointer(start: text, count: Int(count)))
        if handler.heldBytes > Self.mostHeldBytes {
            isBomb = true
            stop("line \(line): entities")
        }
    }

    /// Handles an entity that is declared outside the document, or whose text is. The text of others is passed as text.
    fileprivate func reference(_ context: UnsafeMutableRawPointer?, _ name: UnsafePointer<xmlChar>?) {
        guard let name, failure == nil else { return }
        if let declared = xmlSAX2GetEntity(context, name) {
            if declared.pointee.etype == XML_EXTERNAL_GENERAL_PARSED_ENTITY { unknownEntities += 1 }
            return
        }
        guard let entity = htmlEntityLookup(name), let scalar = Unicode.Scalar(entity.pointee.value) else {
            unknownEntities += 1
            return
        }
        scalar.withUTF8 { handler.text($0) }
    }

    fileprivate func fail(_ error: UnsafeMutablePointer<xmlError>?) {
        guard let error = error?.pointee, error.level == XML_ERR_FATAL, failure == nil else { return }
        if error.code == Int32(XML_ERR_ENTITY_LOOP.rawValue) { isBomb = true }
        stop(
            error.code == Int32(XML_ERR_INTERNAL_ERROR.rawValue)
                ? "line \(error.line): a tag, a comment or a section is longer than 10 million bytes"
                : "line \(error.line) is not well-formed XML")
    }

    private func stop(_ failure: String) {
        self.failure = failure
        failureOffset = offset
        xmlStopParser(context)
    }
}

private func parser(_ context: UnsafeMutableRawPointer?) -> XMLParser? {
    context?.assumingMemoryBound(to: xmlParserCtxt.self).pointee._private.map {
        Unmanaged<XMLParser>.fromOpaque($0).takeUnretainedValue()
    }
}
