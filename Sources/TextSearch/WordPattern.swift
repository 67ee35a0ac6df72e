/// A pattern that matches whole tokens: a position automaton (Glushkov 1961), whose size is that of the expression.
struct WordPattern: Sendable {
    /// Maximum number of positions, that is of characters and classes after repetitions have been written out.
    static let maximumPositions = 255
    /// Maximum number of steps of writing out repetitions, which may be empty and nested.
    private static let maximumSteps = 4096

    /// A set of positions.
    typealias Positions = SIMD4<UInt64>
    /// The position before the first character.
    static let start = maximumPositions

    let folding: Folding
    private(set) var characters: [CharacterSet] = []
    /// The positions that can follow each position. The last one is `start`.
    private(set) var following: [Positions]
    private(set) var accepting = Positions()
    private var steps = 0

    /// What a part of the expression begins and ends with.
    private struct Part {
        var isEmpty: Bool
        var first = Positions()
        var last = Positions()
    }

    /// - Returns: nil if the expression is too large
    init?(_ node: PatternNode, folding: Folding) {
        self.folding = folding
        following = [Positions](repeating: Positions(), count: Self.maximumPositions + 1)
        guard let part = build(node) else { return nil }
        following[Self.start] = part.first
        accepting = part.last
        if part.isEmpty { accepting.insert(Self.start) }
    }

    private mutating func build(_ node: PatternNode) -> Part? {
        steps += 1
        guard steps <= Self.maximumSteps else { return nil }
        switch node {
        case .character(let set):
            guard characters.count < Self.maximumPositions else { return nil }
            var part = Part(isEmpty: false)
            part.first.insert(characters.count)
            part.last.insert(characters.count)
            characters.append(set)
            return part
        case .sequence(let nodes):
            var whole = Part(isEmpty: true)
            for node in nodes {
                guard let part = build(node) else { return nil }
                whole = joined(whole, part)
            }
            return whole
        case .alternatives(let nodes):
            var whole = Part(isEmpty: false)
            for node in nodes {
                guard let part = build(node) else { return nil }
                whole.isEmpty = whole.isEmpty || part.isEmpty
                whole.first |= part.first
                whole.last |= part.last
            }
            return whole
        case .repeated(let node, let least, let most):
            var whole = Part(isEmpty: true)
            for _ in 0..<least {
                guard let part = build(node) else { return nil }
                whole = joined(whole, part)
            }
            if let most {
                for _ in least..<most {
                    guard var part = build(node) else { return nil }
                    part.isEmpty = true
                    whole = joined(whole, part)
                }
            } else {
                guard var part = build(node) else { return nil }
                connect(part.last, to: part.first)
                part.isEmpty = true
                whole = joined(whole, part)
            }
            return whole
        }
    }

    private mutating func joined(_ left: Part, _ right: Part) -> Part {
        connect(left.last, to: right.first)
        return Part(
            isEmpty: left.isEmpty && right.isEmpty, first: left.isEmpty ? left.first | right.first : left.first,
            last: right.isEmpty ? left.last | right.last : right.last)
    }

    private mutating func connect(_ last: Positions, to first: Positions) {
        last.forEach { following[$0] |= first }
    }

    /// Returns whether every text is accepted that follows, once one of `positions` has been reached.
    func acceptsAnything(_ positions: Positions) -> Bool {
        var result = false
        (positions & accepting).forEach { position in
            following[position].forEach { next in
                if characters[next].isEverything, accepting.contains(next), following[next].contains(next) {
                    result = true
                }
            }
        }
        return result
    }
}

extension SIMD4<UInt64> {
    mutating func insert(_ position: Int) { self[position / 64] |= 1 << UInt64(position % 64) }

    func contains(_ position: Int) -> Bool { self[position / 64] & 1 << UInt64(position % 64) != 0 }

    func forEach(_ body: (Int) -> Void) {
        for word in 0..<4 {
            var rest = self[word]
            while rest != 0 {
                body(64 * word + rest.trailingZeroBitCount)
                rest &= rest - 1
            }
        }
    }
}

/// A part of an expression.
indirect enum PatternNode: Sendable {
    case character(CharacterSet)
    case sequence([PatternNode])
    case alternatives([PatternNode])
    /// - Parameter most: nil if unbounded
    case repeated(PatternNode, least: Int, most: Int?)

    static let anything = PatternNode.repeated(.character(.everything), least: 0, most: nil)

    /// Returns the node of a literal character, which folding may drop.
    static func literal(_ scalar: Unicode.Scalar, _ folding: Folding) -> PatternNode {
        guard let folded = folding(scalar.value) else { return .sequence([]) }
        return .character(CharacterSet(ranges: [folded...folded]))
    }
}

/// The characters that one place of an expression matches.
struct CharacterSet: Sendable {
    static let everything = CharacterSet(ranges: [], isNegated: true)

    var ranges: [ClosedRange<UInt32>]
    /// Abbreviations of general categories, such as `L` or `Nd`; the second of the pair is true for all others.
    var categories: [(name: String, isNegated: Bool)] = []
    var isNegated = false

    init(ranges: [ClosedRange<UInt32>], isNegated: Bool = false) {
        self.ranges = ranges
        self.isNegated = isNegated
    }

    var isEverything: Bool { isNegated && ranges.isEmpty && categories.isEmpty }

    /// Returns whether a folded character matches.
    func contains(_ value: UInt32, _ folding: Folding) -> Bool {
        if isEverything { return true }
        var found = containsExactly(value)
        if !found, folding.ignoresCase, let scalar = Unicode.Scalar(value) {
            let upper = scalar.properties.uppercaseMapping.unicodeScalars
            if upper.count == 1 { found = containsExactly(upper.first!.value) }
        }
        return found != isNegated
    }

    private func containsExactly(_ value: UInt32) -> Bool {
        if ranges.contains(where: { $0.contains(value) }) { return true }
        guard !categories.isEmpty, let scalar = Unicode.Scalar(value) else { return false }
        let name = Self.abbreviation(scalar.properties.generalCategory)
        return categories.contains { name.hasPrefix($0.name) != $0.isNegated }
    }

    static let categoryNames: Set<String> = [
        "L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "Mc", "Me", "N", "Nd", "Nl", "No", "P", "Pc", "Pd", "Ps", "Pe",
        "Pi",
        "Pf", "Po", "S", "Sm", "Sc", "Sk", "So", "Z", "Zs", "Zl", "Zp", "C", "Cc", "Cf", "Cs", "Co", "Cn",
    ]

    private static func abbreviation(_ category: Unicode.GeneralCategory) -> String {
        switch category {
        case .uppercaseLetter: "Lu"
        case .lowercaseLetter: "Ll"
        case .titlecaseLetter: "Lt"
        case .modifierLetter: "Lm"
        case .otherLetter: "Lo"
        case .nonspacingMark: "Mn"
        case .spacingMark: "Mc"
        case .enclosingMark: "Me"
        case .decimalNumber: "Nd"
        case .letterNumber: "Nl"
        case .otherNumber: "No"
        case .connectorPunctuation: "Pc"
        case .dashPunctuation: "Pd"
        case .openPunctuation: "Ps"
        case .closePunctuation: "Pe"
        case .initialPunctuation: "Pi"
        case .finalPunctuation: "Pf"
        case .otherPunctuation: "Po"
        case .mathSymbol: "Sm"
        case .currencySymbol: "Sc"
        case .modifierSymbol: "Sk"
        case .otherSymbol: "So"
        case .spaceSeparator: "Zs"
        case .lineSeparator: "Zl"
        case .paragraphSeparator: "Zp"
        case .control: "Cc"
        case .format: "Cf"
        case .surrogate: "Cs"
        case .privateUse: "Co"
        case .unassigned: "Cn"
        @unknown default: "Cn"
        }
    }
}
