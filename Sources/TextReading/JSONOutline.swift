/// The names of the fields of an object, and its texts, for a message about an object without the field that was asked
/// for.
struct JSONOutline {
    /// Maximum depth of the names.
    static let deepest = 4
    /// Maximum number of bytes of a name, before it is shortened for a message.
    static let longestName = 64
    /// Number of bytes at the beginning of a text that are compared with those of others.
    static let comparedBytes = 64
    private static let mostNames = 32

    /// A text of the object.
    struct Text {
        /// The path to it.
        let field: String
        /// Number of its bytes, and the first of them.
        let bytes: Int
        let beginning: [UInt8]
    }

    /// The names of the fields of the object itself.
    private(set) var names: [String] = []
    /// Number of these fields.
    private(set) var count = 0
    /// The longest texts, in no order.
    private(set) var texts: [Text] = []
    private var path: [[UInt8]] = []

    mutating func reset() {
        names.removeAll(keepingCapacity: true)
        texts.removeAll(keepingCapacity: true)
        count = 0
        path.removeAll(keepingCapacity: true)
    }

    /// - Parameter depth: counted from 1
    mutating func add(_ name: [UInt8], depth: Int) {
        guard depth <= Self.deepest else { return }
        path.removeLast(max(0, path.count - depth + 1))
        path.append(name)
        guard depth == 1 else { return }
        count += 1
        if names.count < Self.mostNames { names.append(String(decoding: name, as: UTF8.self)) }
    }

    mutating func endText(_ text: [UInt8], bytes: Int, depth: Int) {
        guard depth == path.count, bytes > 0, path.allSatisfy({ $0.count < Self.longestName }) else { return }
        let dot = UInt8(ascii: ".")
        guard path.count == 1 || !path.contains(where: { $0.contains(dot) }) else { return }
        if texts.count == Self.mostNames {
            let shortest = texts.indices.min { texts[$0].bytes < texts[$1].bytes }!
            guard bytes > texts[shortest].bytes else { return }
            texts.remove(at: shortest)
        }
        let field = String(decoding: Array(path.joined(separator: [dot])), as: UTF8.self)
        texts.append(Text(field: field, bytes: bytes, beginning: Array(text.prefix(Self.comparedBytes))))
    }
}
