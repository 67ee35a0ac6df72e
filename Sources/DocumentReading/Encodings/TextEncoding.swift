import Durable
import TextReading

/// The encoding of a text and how it was determined.
package struct TextEncoding: Sendable, Equatable {
    /// How the encoding was determined.
    package enum Origin: Sendable, Equatable {
        case configured, byteOrderMark, valid, declared, mostlyValid, detected
    }

    /// The IANA name, `UTF-8` for plain text.
    package let name: String
    package let origin: Origin
    /// The encoding that the text is decoded from; for a family such as UTF-16, the specific form.
    private let encoding: EncodingName
    /// Whether lines that are UTF-8 are read as such, and only the others are in `encoding`.
    private let isLineByLine: Bool
    /// Length of the byte-order mark, which is not part of the text.
    private let markBytes: Int
    /// Number of NUL bytes, if they were counted.
    private var surveyedNULs: Int?

    private static let utf8Mark: [UInt8] = [0xEF, 0xBB, 0xBF]

    private init(
        _ encoding: EncodingName, name: String? = nil, _ origin: Origin, markBytes: Int = 0, isLineByLine: Bool = false
    ) {
        self.name = isLineByLine ? EncodingSetting.lineByLine(encoding.name) : name ?? encoding.name
        self.isLineByLine = isLineByLine
        self.origin = origin
        self.encoding = encoding
        self.markBytes = markBytes
    }

    private static func utf8(_ origin: Origin, markBytes: Int = 0) -> TextEncoding {
        TextEncoding(.known("UTF-8"), origin, markBytes: markBytes)
    }
}

extension TextEncoding {
    /// Determines the encoding of a text.
    /// - Parameters:
    ///   - declared: the name in the markup, such as `<meta charset>`
    ///   - configured: the `encoding` of the file's folder
    /// - Throws: `RejectionError` with the candidates and the setting that decides
    package static func determine(
        _ region: FileRegion, declared: String?, configured: String?
    ) throws -> TextEncoding {
        if let configured { return try self.configured(configured, region) }
        if let marked = try marked(region) {
            try marked.checkEnd(region)
            return marked
        }
        let survey = try ByteSurvey(region)
        var found = try determine(region, survey, declared: declared.flatMap { EncodingSetting($0)?.encoding })
        try found.checkEnd(region)
        found.surveyedNULs = survey.allNuls
        return found
    }

    private static func determine(
        _ region: FileRegion, _ survey: ByteSurvey, declared: EncodingName?
    ) throws -> TextEncoding {
        if let plain = try withoutDecoding(region, survey, isDeclaredUTF8: declared?.isUTF8 ?? false) { return plain }
        if let declared, canBeDeclared(declared) {
            // The declaration says what the lines are that are not UTF-8.
            let isLineByLine =
                try survey.sequences > 0
                && EncodingDetection(region, survey).hasLinesOfUTF8(besides: declared)
            let encoding = TextEncoding(declared, .declared, isLineByLine: isLineByLine)
            if try encoding.isDecodable(region) { return encoding }
        }
        guard survey.controls * 100 <= survey.bytes else {
            throw RejectionError(
                "is not text in any known encoding: \(survey.controls.grouped) of \(survey.bytes.grouped) bytes are "
                    + "control characters")
        }
        let isNearlyUTF8 = survey.invalidBytes <= mostReplaced(region)
        if isNearlyUTF8, survey.sequences > 3 * survey.invalidBytes { return utf8(.mostlyValid) }
        let result = try EncodingDetection(region, survey).result()
        if case .found(let encoding) = result { return TextEncoding(encoding, .detected) }
        // Stray bytes in ASCII text.
        if isNearlyUTF8 { return utf8(.mostlyValid) }
        throw try rejection(result, survey, region)
    }

    /// Whether a text that is not UTF-8 can declare the encoding for itself. The declaration was read as ASCII, so it is
    /// wrong if the encoding has other characters in its place: the HTML standard reads UTF-16 there as UTF-8.
    private static func canBeDeclared(_ encoding: EncodingName) -> Bool {
        guard !encoding.isUTF8, encoding.unitBytes == 1, let decoder = IconvDecoder(encoding) else { return false }
        // Asian encodings have currency signs and overlines in place of these two.
        let ascii = (0x20...0x7E).filter { $0 != UInt8(ascii: "\\") && $0 != UInt8(ascii: "~") }
        return decoder.decode(whole: ascii) == ascii
    }

    /// Recognizes UTF-8, UTF-16, UTF-32 and the encodings of seven bits.
    /// - Throws: `RejectionError` for damaged ISO-2022, which would be valid UTF-8
    private static func withoutDecoding(
        _ region: FileRegion, _ survey: ByteSurvey, isDeclaredUTF8: Bool
    ) throws -> TextEncoding? {
        if survey.allNuls > 0, let form = try UnicodeForm.unmarked(region, survey) {
            return TextEncoding(form.encoding, .valid)
        }
        if survey.hasEscape, survey.sequences == 0, survey.invalidBytes <= mostReplaced(region),
            let encodings = try ISO2022.find(region), let usual = encodings.first
        {
            guard let encoding = try encodings.first(where: { try isDecodable(region, $0, most: mostReplaced(region)) })
            else { throw try rejection(.damaged(usual), survey, region) }
            return TextEncoding(encoding, .valid)
        }
        guard survey.invalidBytes == 0 else { return nil }
        if survey.isASCII, survey.allNuls == 0, !isDeclaredUTF8, let encoding = try SevenBitEncoding.find(region) {
            return TextEncoding(encoding, .valid)
        }
        // NUL is replaced where it is rare.
        return survey.allNuls <= mostReplaced(region) ? utf8(.valid) : nil
    }

    /// - Throws: `RejectionError` if text of another encoding was appended to UTF-16
    private func checkEnd(_ region: FileRegion) throws {
        guard encoding.unitBytes == 2, let count = try AppendedText.count(in: region) else { return }
        throw RejectionError(
            "mixes \(name) with another encoding: about the last \(count.grouped) of \(region.bytes.grouped) bytes are ASCII "
                + "or UTF-8; convert the part before them to UTF-8 (iconv -f \(name) -t UTF-8) and move it back")
    }

    private static func configured(_ name: String, _ region: FileRegion) throws -> TextEncoding {
        guard let setting = EncodingSetting(name) else {
            throw RejectionError(
                "is in an unknown encoding according to ‘encoding’ in \(settingsFile): `iconv --list` shows those that "
                    + "are known")
        }
        let encoding = setting.encoding
        let mark = try marked(region)
        if setting.isLineByLine {
            let markBytes = mark.map { $0.encoding.isUTF8 ? $0.markBytes : 0 } ?? 0
            return TextEncoding(encoding, .configured, markBytes: markBytes, isLineByLine: true)
        }
        let isUnicode = encoding.isUTF8 || encoding.unitBytes > 1
        // The name of one form is often used for its family; the byte-order mark takes precedence.
        if isUnicode, let mark, mark.name.prefix(6) == encoding.name.prefix(6) {
            return TextEncoding(mark.encoding, name: mark.name, .configured, markBytes: mark.markBytes)
        }
        if encoding.name == "UTF-16" || encoding.name == "UTF-32" {
            let form = try UnicodeForm.unmarked(region, ByteSurvey(region))
            return TextEncoding(form?.encoding ?? .known("\(encoding.name)LE"), .configured)
        }
        return TextEncoding(encoding, .configured)
    }

    private static func marked(_ region: FileRegion) throws -> TextEncoding? {
        if try region.head(utf8Mark.count) == utf8Mark {
            return utf8(.byteOrderMark, markBytes: utf8Mark.count)
        }
        guard let form = try UnicodeForm.marked(region) else { return nil }
        return TextEncoding(form.encoding, name: form.markedName, .byteOrderMark, markBytes: form.mark.count)
    }
}

extension TextEncoding {
    /// Decodes a text.
    /// - Parameter take: receives valid UTF-8 without NUL, to be discarded if this throws
    /// - Throws: `RejectionError` if more than 0.1 % of the bytes are replaced; errors thrown by `take`
    package func decode(
        _ region: FileRegion, _ take: (UnsafeRawBufferPointer) throws -> Void
    ) throws -> Replacements {
        let most = Self.mostReplaced(region)
        let replaced = try region.decode(with: makeDecoder(), from: markBytes, most: most, take)
        guard replaced.all <= most else { throw try undecodable(region) }
        return replaced
    }

    /// Whether the text contains NUL, which is part of other characters in encodings with units of several bytes.
    func containsNUL(_ region: FileRegion) throws -> Bool {
        guard encoding.unitBytes == 1 else { return false }
        if let surveyedNULs { return surveyedNULs > 0 }
        var found = false
        try region.forEachPiece { if !found { found = $0.contains(0) } }
        return found
    }

    /// At most 0.1 % of the bytes may be undecodable.
    static func mostReplaced(_ region: FileRegion) -> Int { region.bytes / 1000 }

    static func isDecodable(_ region: FileRegion, _ candidate: Candidate, most: Int) throws -> Bool {
        try isDecodable(region, candidate.encoding, most: most)
    }

    private static func isDecodable(_ region: FileRegion, _ encoding: EncodingName, most: Int) throws -> Bool {
        try region.decode(with: makeDecoder(encoding), most: most) { _ in }.all <= most
    }

    private func isDecodable(_ region: FileRegion) throws -> Bool {
        let most = Self.mostReplaced(region)
        return try region.decode(with: makeDecoder(), from: markBytes, most: most) { _ in }.all <= most
    }

    private func makeDecoder() throws -> any Decoder {
        let decoder = try Self.makeDecoder(encoding)
        return isLineByLine ? LineByLineDecoder(decoder) : decoder
    }

    private static func makeDecoder(_ encoding: EncodingName) throws -> any Decoder {
        let decoder: (any Decoder)? =
            switch Candidate.named(converter: encoding.converter) {
            case _ where encoding.isUTF8: UTF8Decoder()
            case _ where encoding == .known("HZ-GB-2312"): HZDecoder()
            case let candidate? where !candidate.hasState: TableDecoder(encoding.converter)
            default: IconvDecoder(encoding)
            }
        guard let decoder else {
            throw RejectionError(
                "cannot be decoded: this system's iconv has no converter for \(encoding.converter); install the package with "
                    + "its gconv modules")
        }
        return decoder
    }
}

// MARK: - Reasons

extension TextEncoding {
    private static let settingsFile = ".kbconfig.yaml"

    /// Returns the reason for rejecting a region that is not in this encoding, with the encoding it seems to be in.
    private func undecodable(_ region: FileRegion) throws -> RejectionError {
        let count = try region.decode(with: makeDecoder(), from: markBytes) { _ in }.all
        let found = "is not \(name): \(count.grouped) of \(region.bytes.grouped) bytes cannot be decoded"
        var other: String?
        do {
            // Determines the encoding from the text alone, because the setting or declaration is wrong.
            if origin == .byteOrderMark, encoding.isUTF8 {
                _ = try Self.determine(region, ByteSurvey(region), declared: nil)
            } else {
                other = try Self.determine(region, declared: nil, configured: nil).name
            }
        } catch let error as RejectionError {
            switch origin {
            case .configured: return RejectionError("\(found); without this setting, it \(error.reason.text)")
            case .byteOrderMark where encoding.isUTF8: return RejectionError("\(found); it \(error.reason.text)")
            default: break
            }
        }
        guard let other, other != name else { return RejectionError("\(found); \(Self.advice(nil))") }
        return RejectionError("\(found); it looks like \(other); \(Self.advice(other))")
    }

    private static func rejection(
        _ result: EncodingDetection.Result, _ survey: ByteSurvey, _ region: FileRegion
    ) throws -> RejectionError {
        switch result {
        case .ambiguous(let names):
            let list = names.dropLast().joined(separator: ", ") + " and " + (names.last ?? "")
            return RejectionError(
                "is text whose encoding cannot be told: \(list) are about equally probable and give different "
                    + "texts; \(advice(names.first))")
        case .mixedLines(let lines, let names):
            let setting = EncodingSetting.lineByLine(names[0])
            return RejectionError(
                "mixes UTF-8 with another encoding: of its lines that are not ASCII, "
                    + "\(lines.utf8.count(inEncoding: "UTF-8")) and "
                    + "\(lines.others.count(inEncoding: names.joined(separator: " or "))), as it seems; "
                    + "\(advice(setting)), to read each line as what it is")
        case .mixed:
            return RejectionError(
                "mixes UTF-8 with another encoding: \(survey.invalidBytes.grouped) of \(survey.bytes.grouped) bytes "
                    + "are not UTF-8; convert all of it to UTF-8 and move it back")
        case .damaged(let encoding):
            let count = try region.decode(with: makeDecoder(encoding)) { _ in }.all
            return RejectionError(
                "looks like \(encoding.name), but is damaged: \(count.grouped) of \(survey.bytes.grouped) bytes cannot be "
                    + "decoded, more than 0.1 %; `iconv -c -f \(encoding.converter) -t UTF-8` leaves them out")
        case .found, .none:
            return RejectionError(
                "is not text in any known encoding: \(survey.invalidBytes.grouped) of \(survey.bytes.grouped) bytes "
                    + "are not UTF-8, and no other encoding gives words; \(advice(nil))")
        }
    }

    private static func advice(_ name: String?) -> String {
        let other = name == nil ? "if it is text, " : "if that is right, "
        return
            "\(other)write ‘encoding: \(name ?? "NAME")’ to \(settingsFile) in its folder and move the file back there"
    }
}

extension MixedLines.Group {
    fileprivate func count(inEncoding name: String) -> String {
        lines == 1 ? "1 is \(name) (line \(first))" : "\(lines.grouped) are \(name) (the first is line \(first))"
    }
}

extension Int {
    /// Decimal digits in groups of three.
    fileprivate var grouped: String {
        let digits = Array(String(self))
        return digits.indices.reduce(into: "") { text, index in
            if index > 0, (digits.count - index) % 3 == 0 { text.append(",") }
            text.append(digits[index])
        }
    }
}
