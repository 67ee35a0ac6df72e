/// A text that is not the value of a setting.
public struct ValueError: Error, Sendable, Equatable {
    /// The text as it was found.
    public var found: String
    /// The problem, if it is not obvious from the expected format.
    public var reason: String?

    public init(found: String, reason: String? = nil) {
        self.found = found
        self.reason = reason
    }
}

/// The text format of a setting's values, and which values are accepted.
public struct ValueFormat<Value: Sendable>: Sendable {
    /// Describes the accepted values, to follow "expected" or "Expects".
    public let expected: String
    let isList: Bool
    let read: @Sendable (_ texts: [String]) throws(ValueError) -> Value
    /// Returns whether a value is in range, regardless of how it was read.
    public let accepts: @Sendable (Value) -> Bool
    /// Returns the text of a value.
    public let text: @Sendable (Value) -> String

    /// - Parameters:
    ///   - parse: returns nil if the text is malformed
    ///   - accepts: whether a value that could be parsed is in range
    public init(
        _ expected: String, parse: @escaping @Sendable (String) -> Value?,
        accepts: @escaping @Sendable (Value) -> Bool = { _ in true }, text: @escaping @Sendable (Value) -> String
    ) {
        self.expected = expected
        isList = false
        read = { texts throws(ValueError) in
            let found = texts.joined(separator: ", ")
            guard texts.count == 1, let value = parse(found), accepts(value) else { throw ValueError(found: found) }
            return value
        }
        self.accepts = accepts
        self.text = text
    }

    /// - Parameter explaining: throws a message that describes the problem with a text
    public init<Failure: CustomStringConvertible>(
        _ expected: String, explaining parse: @escaping @Sendable (String) throws(Failure) -> Value,
        text: @escaping @Sendable (Value) -> String
    ) {
        self.expected = expected
        isList = false
        read = { texts throws(ValueError) in
            let found = texts.joined(separator: ", ")
            do throws(Failure) {
                return try parse(found)
            } catch {
                throw ValueError(found: found, reason: error.description)
            }
        }
        accepts = { _ in true }
        self.text = text
    }

    private init(
        _ expected: String, isList: Bool, read: @escaping @Sendable ([String]) throws(ValueError) -> Value,
        accepts: @escaping @Sendable (Value) -> Bool, text: @escaping @Sendable (Value) -> String
    ) {
        self.expected = expected
        self.isList = isList
        self.read = read
        self.accepts = accepts
        self.text = text
    }

    /// A format of the same texts for values of another type.
    public func mapped<Other: Sendable>(
        _ value: @escaping @Sendable (Value) -> Other, back: @escaping @Sendable (Other) -> Value
    ) -> ValueFormat<Other> {
        ValueFormat<Other>(
            expected, isList: isList, read: { [read] texts throws(ValueError) in value(try read(texts)) },
            accepts: { [accepts] in accepts(back($0)) }, text: { [text] in text(back($0)) })
    }

    /// A format that also accepts `word`, which represents nil.
    public func or(_ word: String) -> ValueFormat<Value?> {
        ValueFormat<Value?>(
            "\(expected), or \(word)", isList: isList,
            read: { [read] texts throws(ValueError) in texts == [word] ? nil : try read(texts) },
            accepts: { [accepts] value in value.map(accepts) ?? true },
            text: { [text] value in value.map(text) ?? word })
    }

    /// A list, `[a, b]` in a file and `a,b` in a variable.
    /// - Parameter accepts: whether a list is in range
    public static func list(
        _ expected: String, accepts: @escaping @Sendable ([String]) -> Bool = { _ in true }
    ) -> ValueFormat<[String]> where Value == [String] {
        ValueFormat<[String]>(
            expected, isList: true,
            read: { texts throws(ValueError) in
                guard accepts(texts) else { throw ValueError(found: texts.joined(separator: ", ")) }
                return texts
            }, accepts: accepts,
            text: { "[" + $0.joined(separator: ", ") + "]" })
    }
}

// MARK: Numbers

extension ValueFormat where Value == Int {
    public static func integer(atLeast least: Int? = nil, atMost most: Int? = nil) -> ValueFormat {
        ValueFormat(
            "an integer" + rangeText(least.map { "\($0)" }, most.map { "\($0)" }), parse: { Int($0) },
            accepts: { $0 >= least ?? .min && $0 <= most ?? .max }, text: { "\($0)" })
    }

    /// A number of bytes, also written as `512M` or `4G`.
    public static func bytes(atLeast least: Int = 0) -> ValueFormat {
        ValueFormat(
            ByteCountText.expected + (least > 1 ? ", at least \(ByteCountText.text(least))" : ""),
            parse: ByteCountText.bytes, accepts: { $0 >= least }, text: ByteCountText.text)
    }
}

extension ValueFormat where Value == UInt64 {
    public static var unsigned: ValueFormat {
        ValueFormat("an integer from 0 to \(UInt64.max)", parse: { UInt64($0) }, text: { "\($0)" })
    }
}

extension ValueFormat where Value == UInt32 {
    /// Permission bits in octal, as chmod(1) takes them.
    public static var permissions: ValueFormat {
        ValueFormat(
            "permission bits such as 0660", parse: { UInt32($0, radix: 8) }, accepts: { $0 <= 0o777 },
            text: { "0" + String($0, radix: 8) })
    }
}

extension ValueFormat where Value == Double {
    /// A finite number within the bounds that are given.
    public static func number(
        atLeast least: Double? = nil, above: Double? = nil, below: Double? = nil, atMost most: Double? = nil
    ) -> ValueFormat {
        let bounds = [
            least.map { "of at least \(numberText($0))" }, above.map { "above \(numberText($0))" },
            below.map { "below \(numberText($0))" }, most.map { "at most \(numberText($0))" },
        ].compactMap(\.self).enumerated().map { $0 == 0 ? " \($1)" : " and \($1)" }.joined()
        let isClosed = least != nil && most != nil
        return ValueFormat(
            "a number" + (isClosed ? rangeText(least.map(numberText), most.map(numberText)) : bounds),
            parse: { Double($0) },
            accepts: { number in
                number.isFinite && number >= least ?? -.infinity && number <= most ?? .infinity
                    && number > above ?? -.infinity && number < below ?? .infinity
            }, text: numberText)
    }

    /// A length of time, in seconds, of at most a hundred years.
    public static func duration(
        atLeast least: Double? = nil, above: Double? = nil, atMost most: Double? = nil
    ) -> ValueFormat {
        let bounds = [
            least.map { "at least \(DurationText.text($0))" }, above.map { "longer than \(numberText($0))" },
            most.map { "at most \(DurationText.text($0))" },
        ]
        return ValueFormat(
            ([DurationText.expected] + bounds.compactMap(\.self)).joined(separator: ", "), parse: DurationText.seconds,
            accepts: { $0 >= least ?? 0 && $0 > above ?? -1 && $0 <= most ?? DurationText.longest },
            text: DurationText.text)
    }
}

private func rangeText(_ least: String?, _ most: String?) -> String {
    switch (least, most) {
    case (let least?, let most?): " from \(least) to \(most)"
    case (let least?, nil): " of at least \(least)"
    case (nil, let most?): " of at most \(most)"
    case (nil, nil): ""
    }
}

/// Returns `5` for 5.0, and `1e-8` for what Swift describes as `1e-08`.
private func numberText(_ number: Double) -> String {
    if let integer = Int(exactly: number), integer.magnitude < 1 << 53 { return "\(integer)" }
    return "\(number)".replacing("e-0", with: "e-")
}

// MARK: Words

extension ValueFormat where Value == Bool {
    public static var boolean: ValueFormat {
        ValueFormat("true or false", parse: { Bool($0) }, text: { "\($0)" })
    }
}

extension ValueFormat where Value: RawRepresentable<String> & CaseIterable & SendableMetatype {
    /// The raw value of a case.
    public static var word: ValueFormat {
        ValueFormat(
            "one of " + Value.allCases.map(\.rawValue).joined(separator: ", "), parse: { Value(rawValue: $0) },
            text: { $0.rawValue })
    }
}

extension ValueFormat where Value == String {
    /// Any text.
    /// - Parameter expected: describes it, such as "the name of a group"
    public static func text(_ expected: String) -> ValueFormat {
        ValueFormat(expected, parse: { $0 }, text: { $0 })
    }

    public static func oneOf(_ words: [String]) -> ValueFormat {
        ValueFormat(
            "one of " + words.joined(separator: ", "), parse: { $0 }, accepts: { words.contains($0) }, text: { $0 })
    }
}
