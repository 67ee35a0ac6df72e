import Durable
import TextReading

/// Reads a file of any supported format and encoding.
///
/// An archive may be inside an archive, once: a compressed tar archive counts as one, and so does a document that is a
/// zip file.
package struct DocumentReader {
    static let mostLevels = 2
    /// A zip archive is opened again after a damaged member, because libarchive cannot continue.
    private static let mostReopenings = 8

    private let options: ReadingOptions
    private let scratch: ScratchFile
    private let content: ContentReader
    private var reading: CorpusReading

    /// - Parameters:
    ///   - scratch: space for unpacked members of archives
    ///   - write: receives the text
    package init(
        options: ReadingOptions, scratch: ScratchFile, write: @escaping (UnsafeRawBufferPointer) throws -> Void
    ) {
        self.options = options
        self.scratch = scratch
        content = ContentReader(options: options, scratch: scratch)
        reading = CorpusReading(
            options: options, makeSpool: { Self.makeSpool(options, scratch) }, write: write)
    }

    /// Returns space behind that for unpacked members, which together have at most `maxExpandedBytes`, and for their text,
    /// which has at most twice as many.
    private static func makeSpool(_ options: ReadingOptions, _ scratch: ScratchFile) -> any TextSpool {
        scratch.makeSpool(at: 3 * min(options.maxExpandedBytes, Int.max / 8))
    }

    /// - Throws: `RejectionError`, and errors thrown by `write`
    package mutating func read(name: String, _ file: FileRegion) throws -> ReadingReport {
        guard file.bytes <= options.maxFileBytes else { throw options.tooLarge(atLeast: file.bytes) }
        var unpacking = Unpacking(limit: ExpansionLimit(bytes: file.bytes, options: options))
        do {
            try read(Item(name: name, region: file, levels: Self.mostLevels), &unpacking)
        } catch let error as FileRejection {
            throw error.rejection
        }
        if let archive = unpacking.archive {
            guard unpacking.log.used > 0 else { throw RejectionError(unpacking.log.reasonForNothing) }
            try unpacking.log.kinds.check()
            unpacking.log.describe(unpacking.compression + archive, to: &reading)
        } else {
            if !unpacking.compression.isEmpty {
                reading.describe(format: unpacking.compression + reading.report.format)
            }
            warnOfReplacedBytes()
        }
        return reading.report
    }

    /// Replaced bytes in members of archives are part of the archive's description.
    private mutating func warnOfReplacedBytes() {
        let count = reading.report.replacedBytes
        guard count > 0 else { return }
        let encoding = reading.report.encoding ?? "UTF-8"
        reading.warn("\(count == 1 ? "1 byte is" : "\(count) bytes are") not \(encoding), replaced by U+FFFD")
    }

    private mutating func read(_ item: Item, _ unpacking: inout Unpacking) throws {
        guard let packing = Packing(head: try item.region.head(Packing.headBytes), name: item.name) else {
            return try readContent(item, &unpacking)
        }
        guard item.levels > 0 else {
            throw RejectionError("is an archive inside an archive inside an archive: unpack the outer one")
        }
        var inner = item
        inner.levels -= 1
        switch packing {
        case .zip: try readZip(inner, &unpacking)
        case .tar, .sevenZip:
            if packing == .tar, try !Tar.hasEnd(item.region) {
                reading.warn("the tar archive has no end mark, so it may be truncated")
            }
            unpacking.beginArchive(packing)
            try readMembers(of: Archive(RegionSource(item.region), packing), packing, in: inner, &unpacking)
        default: try readCompressed(inner, packing, &unpacking)
        }
    }

    // MARK: Compressed files

    private mutating func readCompressed(_ item: Item, _ packing: Packing, _ unpacking: inout Unpacking) throws {
        let stream = try Decompression(item.region, packing, limit: unpacking.limit)
        if unpacking.archive == nil { unpacking.compression += "\(packing.name)-compressed " }
        if Tar.isHeader(stream.head) {
            unpacking.beginArchive(.tar)
            try readMembers(of: Archive(stream, .tar), .tar, in: item, &unpacking)
            // The checksum follows the end of the archive.
            try stream.forEachPiece { _ in }
            return try warn(ofSurplus: stream, item)
        }
        let mark = scratch.mark
        defer { scratch.release(to: mark) }
        let region = try store { try stream.forEachPiece($0) }
        try warn(ofSurplus: stream, item)
        try read(Item(name: Packing.nameOfContents(item.name), region: region, levels: item.levels), &unpacking)
    }

    private mutating func warn(ofSurplus stream: Decompression, _ item: Item) throws {
        let surplus = try stream.surplusBytes()
        guard surplus > 0 else { return }
        let place = item.levels == Self.mostLevels - 1 ? "" : " ‘\(item.name.boundedInTheMiddle(toBytes: 100))’"
        reading.warn("\(surplus) bytes after the end of the compressed data\(place) were left out")
    }

    // MARK: Archives

    private mutating func readZip(_ item: Item, _ unpacking: inout Unpacking) throws {
        // libarchive does not recognize an archive without members.
        if try item.region.head(4) == ZipDirectory.end { throw RejectionError("contains no files") }
        try ZipDirectory.check(item.region)
        var (names, count): ([String], Int) = ([], 0)
        let listed = try Archive(RegionSource(item.region), .zip)
        while let member = try listed.next() {
            count += 1
            guard count <= ExpansionLimit.mostMembers else { throw ExpansionLimit.tooManyMembers }
            if member.kind == .file { names.append(member.name) }
        }
        if let kind = FileKind.ofZip(head: try item.region.head(256), names: names) { throw kind.rejection }
        if let document = PackedDocument(memberNames: names) {
            return try readDocument(document, names, item, &unpacking)
        }
        unpacking.beginArchive(.zip)
        try readMembers(of: Archive(RegionSource(item.region), .zip), .zip, in: item, &unpacking)
    }

    /// Reads a document that is a zip file. All its members belong to it.
    private mutating func readDocument(
        _ document: PackedDocument, _ names: [String], _ item: Item, _ unpacking: inout Unpacking
    ) throws {
        let mark = scratch.mark
        defer { scratch.release(to: mark) }
        let wanted = document.wantedMembers(names)
        var members: [String: FileRegion] = [:]
        let archive = try Archive(RegionSource(item.region), .zip)
        while let member = try archive.next() {
            guard member.kind == .file, wanted.contains(member.name), members[member.name] == nil else { continue }
            let isOptional = document.isOptional(member.name)
            if let obstacle = member.obstacle {
                if isOptional { continue }
                throw RejectionError("has a part that \(obstacle)")
            }
            do {
                members[member.name] = try unpack(archive, counting: unpacking.limit)
            } catch let damage as Archive.Damage {
                if isOptional, !damage.isFatal { continue }
                throw RejectionError("has a part that \(damage.reason)")
            }
        }
        let configured = options.encoding
        try readAsUnit(item, &unpacking) { try document.read(members: members, configured: configured, into: &$0) }
    }

    private mutating func readMembers(
        of first: Archive, _ packing: Packing, in item: Item, _ unpacking: inout Unpacking
    ) throws {
        var archive = first
        var (index, reopenings) = (0, 0)
        while let member = try archive.next() {
            index += 1
            try unpacking.limit.addMember()
            let path = item.path(ofMember: member.name)
            guard unpacking.wants(member) else { continue }
            // An archive in this one may have been used in part.
            let used = unpacking.log.used
            do {
                try readMember(member, path, of: archive, packing, levels: item.levels, &unpacking)
            } catch let error as RejectionError {
                unpacking.log.leaveOut(path, error.reason.text, isPartlyUsed: unpacking.log.used > used)
            } catch let damage as Archive.Damage {
                unpacking.log.leaveOut(path, damage.reason, isPartlyUsed: unpacking.log.used > used)
                guard damage.isFatal else { continue }
                guard packing == .zip, reopenings < Self.mostReopenings else {
                    throw RejectionError(
                        "is a damaged or truncated \(packing.name) archive: ‘\(MemberLog.shown(path))’ \(damage.reason)"
                    )
                }
                reopenings += 1
                archive = try Archive(RegionSource(item.region), packing)
                for _ in 0..<index { _ = try archive.next() }
            }
        }
    }

    private mutating func readMember(
        _ member: Archive.Member, _ path: String, of archive: Archive, _ packing: Packing, levels: Int,
        _ unpacking: inout Unpacking
    ) throws {
        if let obstacle = member.obstacle { throw RejectionError(obstacle) }
        let mark = scratch.mark
        defer { scratch.release(to: mark) }
        // A tar archive is not smaller than its members, and was counted when it was decompressed.
        let region = try unpack(archive, counting: packing == .tar ? nil : unpacking.limit)
        try read(Item(name: path, region: region, levels: levels), &unpacking)
    }

    // MARK: Units of text

    private mutating func readContent(_ item: Item, _ unpacking: inout Unpacking) throws {
        let content = content
        guard let encoding = try WideMail.encoding(of: item.region, name: item.name, options) else {
            return try readAsUnit(item, &unpacking) { try content.read(item.region, name: item.name, into: &$0) }
        }
        let mark = scratch.mark
        defer { scratch.release(to: mark) }
        var replaced = Replacements()
        let region = try store { replaced = try encoding.decode(item.region, $0) }
        try readAsUnit(item, &unpacking) { reading in
            try content.read(region, name: item.name, into: &reading)
            reading.describe(encoding: encoding.name)
            reading.count(replaced)
        }
    }

    /// Reads a file or one member of an archive as a unit: if it cannot be used, none of it is kept.
    private mutating func readAsUnit(
        _ item: Item, _ unpacking: inout Unpacking, _ read: (inout CorpusReading) throws -> Void
    ) throws {
        guard unpacking.archive != nil else { return try read(&reading) }
        let mark = scratch.mark
        defer { scratch.release(to: mark) }
        var report = ReadingReport()
        let text = try store { store in
            // `store` does not outlive this call.
            try withoutActuallyEscaping(store) { store in
                var member = CorpusReading(
                    options: options, makeSpool: { [options, scratch] in Self.makeSpool(options, scratch) },
                    write: store)
                try read(&member)
                report = member.report
            }
        }
        if let isStructured = unpacking.log.kinds.isStructured, isStructured != report.isStructured {
            unpacking.log.kinds.leaveOut(item.name, report)
            throw RejectionError(
                isStructured
                    ? "is plain text, but the files before it are tables: put them into separate archives"
                    : "is a table, but the files before it are plain text: put them into separate archives")
        }
        try reading.append(report) { try text.forEachPiece($0) }
        unpacking.log.use(item.name, report)
    }

    private func unpack(_ archive: Archive, counting limit: ExpansionLimit?) throws -> FileRegion {
        try store { store in
            try archive.forEachPiece { piece in
                try limit?.add(piece.count)
                try store(piece)
            }
        }
    }

    /// Stores in the scratch file. A failure is not attributed to the member that happens to be read.
    private func store(
        _ fill: (@escaping (UnsafeRawBufferPointer) throws -> Void) throws -> Void
    ) throws -> FileRegion {
        try scratch.store { append in
            try withoutActuallyEscaping(append) { append in
                try fill { piece in
                    do {
                        try append(piece)
                    } catch let error as RejectionError {
                        throw FileRejection(error)
                    }
                }
            }
        }
    }
}
