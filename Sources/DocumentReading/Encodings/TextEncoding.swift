import Durable
import TextReading

/// The encoding of a text and how it was determined.
package struct TextEncoding: Sendable, Equatable {
    /// Why the encoding is what it is.
    package enum Origin: Sendable, Equatable {
        case configured, byteOrderMark, valid, declared, mostlyValid, detected
    }

    /// The IANA name, `UTF-8` for plain text.
    package let name: String
    package let origin: Origin
    /// The name of its converter.
    private let converter: String
    /// Length of the byte-order mark, which is not part of the text.
    private let markBytes: Int

    private static let utf8Mark: [UInt8] = [0xEF, 0xBB, 0xBF]

    private init(name: String, converter: String, origin: Origin, markBytes: Int = 0) {
        self.name = name
        self.origin = origin
        self.converter = converter
        self.markBytes = markBytes
    }

    private init(_ encoding: EncodingName, _ origin: Origin) {
        self.init(name: encoding.name, converter: encoding.converter, origin: origin)
    }

    private static func utf8(_ origin: Origin, markBytes: Int = 0) -> TextEncoding {
        TextEncoding(name: "UTF-8", converter: "UTF-8", origin: origin, markBytes: markBytes)
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
        if let marked = try marked(region) { return marked }
        let survey = try ByteSurvey(region)
        if let plain = try withoutDecoding(region, survey) { return plain }
        if let declared = declared.flatMap({ EncodingName($0) }), !declared.isUTF8,
            try isDecodable(region, declared, most: mostReplaced(region))
        {
            return TextEncoding(declared, .declared)
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

    /// Recognizes UTF-8, UTF-16, UTF-32 and ISO-2022.
    private static func withoutDecoding(_ region: FileRegion, _ survey: ByteSurvey) throws -> TextEncoding? {
        if survey.allNuls > 0, let form = try UnicodeForm.unmarked(region, survey) {
            return TextEncoding(name: form.converter, converter: form.converter, origin: .valid)
        }
        guard survey.invalidBytes == 0 else { return nil }
        if survey.hasEscape, survey.isASCII, let name = try ISO2022.find(region),
            let encoding = EncodingName(name), try isDecodable(region, encoding, most: mostReplaced(region))
        {
            return TextEncoding(encoding, .valid)
        }
        // NUL is replaced where it is rare.
        return survey.allNuls <= mostReplaced(region) ? utf8(.valid) : nil
    }

    private static func configured(_ name: String, _ region: FileRegion) throws -> TextEncoding {
        guard let encoding = EncodingName(name) else {
            throw RejectionError(
                "is in an unknown encoding according to ‘encoding’ in \(settingsFile): `iconv --list` shows those that "
                    + "are known")
        }
        let mark = try marked(region)
        let isUnicode = encoding.isUTF8 || encoding.name.hasPrefix("UTF-16") || encoding.name.hasPrefix("UTF-32")
        // The name of one form is often used for its family; the mark knows better.
        if isUnicode, let mark, mark.name.prefix(6) == encoding.name.prefix(6) {
            return TextEncoding(
                name: mark.name, converter: mark.converter, origin: .configured, markBytes: mark.markBytes)
        }
        if encoding.name == "UTF-16" || encoding.name == "UTF-32" {
            let form = try UnicodeForm.unmarked(region, ByteSurvey(region))
            let converter = form?.converter ?? "\(encoding.name)LE"
            return TextEncoding(name: converter, converter: converter, origin: .configured)
        }
        return TextEncoding(encoding, .configured)
    }

    private static func marked(_ region: FileRegion) throws -> TextEncoding? {
        if try region.head(utf8Mark.count) == utf8Mark {
            return utf8(.byteOrderMark, markBytes: utf8Mark.count)
        }
        guard let form = try UnicodeForm.marked(region) else { return nil }
        return TextEncoding(
            name: form.markedName, converter: form.converter, origin: .byteOrderMark, markBytes: form.mark.count)
    }
}

extension TextEncoding {
    /// Decodes a text.
    /// - Parameter take: receives valid UTF-8 without NUL. What it received is worthless if this throws.
    /// - Returns: number of undecodable bytes, which were replaced
    /// - Throws: `RejectionError` if there are more than 0.1 % of them; errors thrown by `take`
    package func decode(_ region: FileRegion, _ take: (UnsafeRawBufferPointer) throws -> Void) throws -> Int {
        let most = Self.mostReplaced(region)
        let replaced = try region.decode(with: makeDecoder(), from: markBytes, most: most, take)
        guard replaced <= most else { throw try undecodable(region) }
        return replaced
    }

    /// At most 0.1 % of the bytes may be undecodable.
    static func mostReplaced(_ region: FileRegion) -> Int { region.bytes / 1000 }

    static func isDecodable(_ region: FileRegion, _ candidate: Candidate, most: Int) throws -> Bool {
        try isDecodable(region, candidate.encoding, most: most)
    }

    private static func isDecodable(_ region: FileRegion, _ encoding: EncodingName, most: Int) throws -> Bool {
        try region.decode(with: makeDecoder(encoding.converter), most: most) { _ in } <= most
    }

    private func makeDecoder() throws -> any Decoder { try Self.makeDecoder(converter) }

    private static func makeDecoder(_ converter: String) throws -> any Decoder {
        let candidate = Candidate.named(converter: converter)
        let decoder: (any Decoder)? =
            switch candidate {
            case _ where converter == "UTF-8": UTF8Decoder()
            case let candidate? where !candidate.hasState: TableDecoder(converter)
            default: IconvDecoder(converter)
            }
        guard let decoder else {
            throw RejectionError(
                "cannot be decoded: this system's iconv has no converter for \(converter); install the package with "
                    + "its gconv modules")
        }
        return decoder
    }
}

// MARK: - Reasons

extension TextEncoding {
    private static let settingsFile = ".kbconfig.yaml"

    /// The reason why the region is not in this encoding, with what it may be instead.
    private func undecodable(_ region: FileRegion) throws -> RejectionError {
        let count = try region.decode(with: makeDecoder(), from: markBytes) { _ in }
        let found = "is not \(name): \(count.grouped) of \(region.bytes.grouped) bytes cannot be decoded"
        var other: String?
        do {
            // Without the setting, if it is wrong.
            other = try Self.determine(region, declared: nil, configured: nil).name
        } catch let error as RejectionError {
            if origin == .configured {
                return RejectionError("\(found); without this setting, it \(error.reason.text)")
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
                "is text in an encoding that cannot be told from it: \(list) are about as probable and give different "
                    + "texts; \(advice(names.first))")
        case .mixed:
            return RejectionError(
                "mixes UTF-8 with another encoding: \(survey.invalidBytes.grouped) of \(survey.bytes.grouped) bytes "
                    + "are not UTF-8; convert all of it to UTF-8 and move it back")
        case .damaged(let encoding):
            let count = try region.decode(with: makeDecoder(encoding.converter)) { _ in }
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
