/// Parses a regular expression for one token.
struct PatternParser {
    private static let maximumDepth = 50
    private static let maximumRepetitions = WordPattern.maximumPositions

    private let scalars: [Unicode.Scalar]
    private let folding: Folding
    /// Position of the first scalar in the query, for errors.
    private let offset: Int
    private var position = 0
    private var depth = 0

    init(_ scalars: some Sequence<Unicode.Scalar>, offset: Int, folding: Folding) {
        self.scalars = Array(scalars)
        self.offset = offset
        self.folding = folding
    }

    mutating func parse() throws(SearchError) -> PatternNode {
        let node = try alternatives()
        if position < scalars.count { throw error("“)” without “(”") }
        return node
    }

    private func error(_ reason: String, at position: Int? = nil) -> SearchError {
        .invalidQuery(reason: reason, offset: offset + min(position ?? self.position, scalars.count))
    }

    private var next: Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

    private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        guard next == scalar else { return false }
        position += 1
        return true
    }

    private mutating func alternatives() throws(SearchError) -> PatternNode {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.maximumDepth else {
            throw error("groups are nested too deeply (limit \(Self.maximumDepth))")
        }
        var nodes = [try sequence()]
        while take("|") { nodes.append(try sequence()) }
        return nodes.count == 1 ? nodes[0] : .alternatives(nodes)
    }

    private mutating func sequence() throws(SearchError) -> PatternNode {
        var nodes: [PatternNode] = []
        while let scalar = next, scalar != "|", scalar != ")" {
            var node = try single()
            while let (least, most) = try repetition() { node = .repeated(node, least: least, most: most) }
            nodes.append(node)
        }
        return .sequence(nodes)
    }

    private mutating func single() throws(SearchError) -> PatternNode {
        let scalar = scalars[position]
        position += 1
        switch scalar {
        case "(":
            let start = position - 1
            if take("?"), !take(":") { throw error("only groups without a name are supported: (…) or (?:…)") }
            let node = try alternatives()
            guard take(")") else { throw error("“(” without “)”", at: start) }
            return node
        case "[": return .character(try set())
        case ".": return .character(.everything)
        case "\\": return try escaped()
        case "*", "+", "?", "{": throw error("“\(scalar)” has nothing to repeat", at: position - 1)
        case "^", "$": throw error("“\(scalar)” is not needed: an expression matches whole words", at: position - 1)
        default: return .literal(scalar, folding)
        }
    }

    private mutating func repetition() throws(SearchError) -> (least: Int, most: Int?)? {
        if take("*") { return (0, nil) }
        if take("+") { return (1, nil) }
        if take("?") { return (0, 1) }
        let start = position
        guard take("{") else { return nil }
        let least = try number()
        var most: Int? = least
        if take(",") { most = next == "}" ? nil : try number() }
        guard take("}"), let least else { throw error("expected {m}, {m,} or {m,n}", at: start) }
        if let most, most < least { throw error("{\(least),\(most)}: the maximum is less than the minimum", at: start) }
        return (least, most)
    }

    private mutating func number() throws(SearchError) -> Int? {
        let start = position
        var value: Int?
        while let scalar = next, ("0"..."9").contains(scalar) {
            value = (value ?? 0) * 10 + Int(scalar.value - 0x30)
            if value! > Self.maximumRepetitions {
                throw error("more than \(Self.maximumRepetitions) repetitions", at: start)
            }
            position += 1
        }
        return value
    }

    /// Parses what follows a backslash, outside of brackets.
    private mutating func escaped() throws(SearchError) -> PatternNode {
        if let category = try category() {
            var set = CharacterSet(ranges: [])
            set.categories = category
            return .character(set)
        }
        return .literal(try escapedCharacter(), folding)
    }

    /// Parses `\d`, `\w`, `\p{…}` and their opposites after the backslash, or returns nil.
    private mutating func category() throws(SearchError) -> [(name: String, isNegated: Bool)]? {
        let start = position - 1
        switch next {
        case "d", "D":
            let isNegated = next == "D"
            position += 1
            return [("Nd", isNegated)]
        case "w":
            position += 1
            return ["L", "M", "N", "Pc"].map { ($0, false) }
        case "p", "P":
            let isNegated = next == "P"
            position += 1
            guard take("{") else { throw error("expected a general category, such as \\p{L}", at: start) }
            var name = ""
            while let scalar = next, scalar != "}", name.unicodeScalars.count < 3 {
                name.unicodeScalars.append(scalar)
                position += 1
            }
            guard take("}"), CharacterSet.categoryNames.contains(name) else {
                throw error("expected a general category, such as \\p{L}", at: start)
            }
            return [(name, isNegated)]
        default: return nil
        }
    }

    private mutating func escapedCharacter() throws(SearchError) -> Unicode.Scalar {
        guard let scalar = next else { throw error("“\\” at the end", at: position - 1) }
        if scalar.properties.isAlphabetic || ("0"..."9").contains(scalar) {
            throw error("“\\\(scalar)” is not supported", at: position - 1)
        }
        position += 1
        return scalar
    }

    /// Parses a bracket expression after its `[`.
    private mutating func set() throws(SearchError) -> CharacterSet {
        let start = position - 1
        var set = CharacterSet(ranges: [])
        set.isNegated = take("^")
        var isFirst = true
        while isFirst || next != "]" {
            isFirst = false
            guard let scalar = next else { throw error("“[” without “]”", at: start) }
            position += 1
            var lower = scalar
            if scalar == "\\" {
                if let category = try category() {
                    set.categories += category
                    continue
                }
                lower = try escapedCharacter()
            }
            var upper = lower
            if next == "-", position + 1 < scalars.count, scalars[position + 1] != "]" {
                position += 1
                upper = scalars[position]
                position += 1
                if upper == "\\" { upper = try escapedCharacter() }
                guard lower <= upper else { throw error("the range \(lower)-\(upper) is empty", at: position - 3) }
            }
            add(lower.value...upper.value, to: &set)
        }
        position += 1
        return set
    }

    private func add(_ range: ClosedRange<UInt32>, to set: inout CharacterSet) {
        set.ranges.append(range)
        // The characters of the text are folded before they are compared.
        guard folding.ignoresCase || folding.ignoresDiacritics else { return }
        for value in range.prefix(0x3000) where value >= 0x80 || folding.ignoresCase {
            if let folded = folding(value), !range.contains(folded) { set.ranges.append(folded...folded) }
        }
    }
}
