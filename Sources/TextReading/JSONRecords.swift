/// Reads JSON: objects on lines of their own or in a text sequence (RFC 7464), an array of objects or strings, or an object
/// with one array of objects that have the text fields. The text in the text fields of each object, or the string, becomes
/// a record; of two fields with a prompt and a completion, a conversation.
///
/// Memory is bounded by the sample that decides between them and by the texts of one object. Time is linear in the
/// input. Anything that is not JSON is rejected, because a truncated file looks the same.
struct JSONRecords: RecordReader {
    var documents: Int { conversations?.documents ?? textDocuments }
    var warnings: [String] { conversations?.warnings ?? textWarnings }
    private var textDocuments = 0
    private var textWarnings: [String] = []
    /// Reads the file instead, if its objects are conversations.
    private var conversations: ConversationRecords?
    private let fields: [String]
    /// Whether the fields are a prompt and a completion.
    private let isExchange: Bool
    private let paths: JSONPaths
    private let limit: Int
    private let sampleBytes: Int
    /// Whether the name of the file says that each line is an object.
    private let prefersLines: Bool

    /// Whether the file begins with a separator; nil before its first byte that is not white space.
    private var isSequence: Bool?

    /// The beginning, until the layout is known.
    private var sample: [UInt8] = []
    private var layout: JSONScanner.Layout?
    private var scanner: JSONScanner
    /// The field of the outermost object whose array has the records; nil before the first, if the sample does not show
    /// it.
    private var arrayMember: Int?
    private var record: [UInt8] = []

    // Findings about the records.
    private var records = 0
    private var withoutField = RowCount()
    private var withoutString = RowCount()
    private var withoutText = RowCount()
    private var tooLarge = RowCount()
    private var replacements = 0
    /// Objects in arrays other than that of the records.
    private var inOtherArrays = RowCount()
    /// The line and the fields of an object without text.
    private var example: (line: Int, outline: JSONOutline)?
    private var samples = JSONTextSamples()

    /// Number of records whose fields are recorded, even if none of them lacks its text.
    private static let outlinedRecords = 1024

    init(options: ReadingOptions, prefersLines: Bool) {
        let wanted = WantedColumns(options, inTable: false)
        fields = wanted.names
        isExchange = wanted.isExchange
        paths = JSONPaths(fields)
        limit = options.maxRecordBytes
        sampleBytes = options.sampleBytes
        self.prefersLines = prefersLines
        scanner = JSONScanner(paths, .lines)
    }

    var formatDescription: String {
        if let conversations { return conversations.formatDescription }
        let form =
            switch layout {
            case .lines? where isSequence == true: "JSON text sequence"
            case .lines?, nil: "JSON lines"
            case .array?: "JSON array"
            case .member?: "JSON object with an array"
            }
        if isExchange { return "\(form), \(ReadingAdvice.count(documents, "conversation"))" }
        return "\(form), \(ReadingAdvice.count(records, layout == .array ? "element" : "object"))"
    }

    mutating func append(_ bytes: [UInt8], to output: inout [UInt8]) throws {
        let bytes = withoutSeparators(bytes)
        guard conversations == nil else { return try conversations!.append(bytes, to: &output) }
        guard layout == nil else { return try read(bytes, to: &output) }
        sample.append(contentsOf: bytes)
        guard sample.count >= sampleBytes else { return }
        try begin(to: &output)
    }

    mutating func finish(to output: inout [UInt8]) throws {
        if layout == nil, conversations == nil { try begin(to: &output) }
        guard conversations == nil else { return try conversations!.finish(to: &output) }
        let isRecord: Bool
        do throws(JSONScanner.Failure) {
            isRecord = try scanner.finish()
        } catch {
            throw scanner.endReason
        }
        if isRecord { try take(to: &output) }
        try settle()
    }

    private mutating func begin(to output: inout [UInt8]) throws {
        if !isExchange, let layout = ConversationRecords.layout(of: sample.prefix(sampleBytes), fields: fields) {
            conversations = ConversationRecords(layout, limit: limit)
            defer { sample = [] }
            return try conversations!.append(sample, to: &output)
        }
        let layout = decideLayout(sample.prefix(sampleBytes))
        self.layout = layout
        scanner = JSONScanner(paths, layout)
        let bytes = sample
        sample = []
        try read(bytes, to: &output)
    }

    /// Replaces separators, which are allowed between the texts only, by white space.
    private mutating func withoutSeparators(_ bytes: [UInt8]) -> [UInt8] {
        if isSequence == nil {
            isSequence = bytes.first { !JSONSequence.isSpace($0) }.map { $0 == JSONSequence.separator }
        }
        return isSequence == true ? bytes.map { $0 == JSONSequence.separator ? UInt8(ascii: " ") : $0 } : bytes
    }

    // MARK: Layout

    private mutating func decideLayout(_ sample: ArraySlice<UInt8>) -> JSONScanner.Layout {
        let isSpace = JSONSequence.isSpace
        guard isSequence != true, let start = sample.firstIndex(where: { !isSpace($0) }) else { return .lines }
        let isArray = sample[start] == UInt8(ascii: "[")
        guard isArray || sample[start] == UInt8(ascii: "{") && !prefersLines else { return .lines }
        if isArray, prefersLines, sample[(start + 1)...].first(where: { !isSpace($0) }) != UInt8(ascii: "{") {
            return .lines
        }
        var probe = JSONScanner(paths, .lines)
        var index = 0
        let isFirstComplete = sample.withUnsafeBufferPointer { (try? probe.scan($0, &index)) ?? false }
        let isFollowed = isFirstComplete && sample[index...].contains { !isSpace($0) }
        if isFollowed { return .lines }
        if isArray { return .array }
        guard probe.objectArrays > 0 else { return .lines }
        let members = membersWithFields(sample)
        if members.count == 1 { arrayMember = members[0] }
        let hasText = probe.values.contains(.string)
        let isOnly = !isFirstComplete || probe.objectArrays == 1
        // Several arrays with the fields are rejected when the second begins.
        return !members.isEmpty || !hasText && isOnly ? .member : .lines
    }

    /// Returns the fields of the outermost object that have an array of objects with a field asked for, as their indices.
    private func membersWithFields(_ sample: ArraySlice<UInt8>) -> [Int] {
        var probe = JSONScanner(paths, .member)
        probe.isOutlining = false
        var members: [Int] = []
        sample.withUnsafeBufferPointer { sample in
            var (index, isComplete) = (0, true)
            while isComplete {
                isComplete = (try? probe.scan(sample, &index)) ?? false
                // The sample may end inside of a record.
                guard isComplete || probe.isInRecord, probe.values.contains(where: { $0 != .absent }) else { continue }
                if members.last != probe.memberIndex { members.append(probe.memberIndex) }
            }
        }
        return members
    }

    // MARK: Records

    private mutating func read(_ bytes: [UInt8], to output: inout [UInt8]) throws {
        try bytes.withUnsafeBufferPointer { bytes in
            var index = 0
            while true {
                let isRecord: Bool
                do throws(JSONScanner.Failure) { isRecord = try scanner.scan(bytes, &index) } catch {
                    throw scanner.reason(error)
                }
                guard scanner.recordBytes <= limit else {
                    throw lineLimitReason("the object", line: scanner.recordLine, limit)
                }
                guard isRecord else { break }
                try take(to: &output)
            }
        }
    }

    private mutating func take(to output: inout [UInt8]) throws {
        guard try isInArray() else { return }
        records += 1
        record.removeAll(keepingCapacity: true)
        switch scanner.kind {
        case .string where layout == .array && !isExchange:
            record.append(contentsOf: scanner.recordText)
            replacements += scanner.recordReplaced
            if MissingValue.isMark(record) || !output.appendRecord(record) {
                withoutText.add(line: scanner.recordLine)
            } else {
                textDocuments += 1
            }
        case .object: takeObject(to: &output)
        case .string, .other:
            guard layout == .array else { throw RejectionError("line \(scanner.recordLine): not a JSON object") }
            withoutField.add(line: scanner.recordLine)
        }
    }

    /// Whether the object that was read is in the array of the records.
    private mutating func isInArray() throws -> Bool {
        guard layout == .member, let arrayMember, arrayMember != scanner.memberIndex else {
            if layout == .member { arrayMember = scanner.memberIndex }
            return true
        }
        guard scanner.values.allSatisfy({ $0 == .absent }) else {
            throw RejectionError(
                "line \(scanner.recordLine): the file has several arrays of objects. Put each array into a file of its own"
            )
        }
        inOtherArrays.add(line: scanner.recordLine)
        return false
    }

    private mutating func takeObject(to output: inout [UInt8]) {
        var (absent, isOther) = (0, false)
        var found = 0
        var exchange: [[UInt8]] = []
        for field in 0..<paths.fieldCount {
            let places = paths.paths.indices.filter { paths.paths[$0].field == field && scanner.values[$0] != .absent }
            guard let place = places.first else {
                absent += 1
                continue
            }
            if scanner.values[place] == .notString { isOther = true }
            guard scanner.values[place] == .string, !MissingValue.isMark(scanner.texts[place]) else { continue }
            found += scanner.replaced[place]
            if isExchange {
                exchange.append(scanner.texts[place])
            } else {
                if !record.isEmpty { record.append(UInt8(ascii: " ")) }
                record.append(contentsOf: scanner.texts[place])
            }
        }
        if exchange.count == 2, let line = Exchange.line(prompt: exchange[0], completion: exchange[1]) {
            record = line
        }
        if isExchange, record.count > ConversationRecords.mostBytes {
            tooLarge.add(line: scanner.recordLine)
        } else if output.appendRecord(record, isConversation: isExchange) {
            textDocuments += 1
            replacements += found
        } else {
            let line = scanner.recordLine
            if absent == paths.fieldCount || isExchange && absent > 0 {
                withoutField.add(line: line)
            } else if isOther {
                withoutString.add(line: line)
            } else {
                withoutText.add(line: line)
            }
            if example == nil, scanner.isOutlining { example = (line, scanner.outline) }
        }
        if scanner.isOutlining { samples.add(scanner.outline) }
        scanner.isOutlining = records < Self.outlinedRecords || example == nil && documents < records
    }

    // MARK: Result

    /// Decides whether the objects were understood, and describes what is missing.
    private mutating func settle() throws {
        let field =
            isExchange
            ? "fields " + fields.map(ReadingAdvice.quoted).joined(separator: " and ")
            : (fields.count == 1 ? "field " : "fields ") + ReadingAdvice.list(fields)
        guard records > 0 else { throw RejectionError("has no object with text in \(field)") }
        let counts = [withoutField, withoutString, withoutText]
        let kinds = ["have no \(field)", "have no string in \(field)", "have no text in \(field)"]
        textWarnings += try Exchange.warnings(tooLarge: tooLarge, of: records, "objects")
        let missing = counts.reduce(0) { $0 + $1.count }
        if missing > 0 {
            let present = zip(counts, kinds).filter { $0.0.count > 0 }
            let noun = layout == .array ? "elements" : "objects"
            let line = present.map(\.0.firstLine).min()!
            let parts = present.count == 1 ? "" : ": " + present.map { "\($0.0.count) \($0.1)" }.joined(separator: ", ")
            let sentence = "\(missing) of \(records) \(noun) " + (present.count == 1 ? present[0].1 : kinds[2])
            guard !RowCount.isTooMuch(missing, of: records) else {
                throw RejectionError(sentence + parts + advice(line: line))
            }
            textWarnings.append("\(sentence) and were left out, the first on line \(line)\(parts)")
        }
        if scanner.hasOuterText {
            textWarnings.append(
                "the text in \(field) of the object around the array was left out, because the objects in the array have it, "
                    + "too")
        }
        if inOtherArrays.count > 0 {
            textWarnings.append(
                "\(ReadingAdvice.count(inOtherArrays.count, "object")) in other arrays, without \(field), left out: the first is on "
                    + "line \(inOtherArrays.firstLine)")
        }
        if replacements > 0 {
            textWarnings.append(ReadingAdvice.replaced(replacements))
        }
    }

    /// Describes an object without text, and the setting with which its text is found.
    private func advice(line: Int) -> String {
        guard let (line, outline) = example else { return ", the first on line \(line)" }
        guard outline.count > 0 else { return "; the object on line \(line) has no fields" }
        let names =
            "; the fields of the object on line \(line) are "
            + ReadingAdvice.list(outline.names, count: outline.count)
        guard !isExchange else {
            return "\(names). \(ReadingAdvice.set("prompt_column and completion_column"))"
        }
        guard let other = samples.advisable(outline, insteadOf: fields, outer: scanner.outerNames) else { return names }
        // Of objects with text in either field, none is lost.
        let values = ((documents > 0 ? fields : []) + [other]).compactMap(ReadingAdvice.yaml)
        guard values.count == (documents > 0 ? fields.count : 0) + 1 else { return names }
        return "\(names). \(ReadingAdvice.set(ReadingAdvice.textColumn(values)))"
    }
}
