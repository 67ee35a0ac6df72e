/// The names of the fields of an object, and its longest text, for a message about an object without the field that was
/// asked for.
struct JSONOutline {
    /// Maximum depth of the names.
    static let deepest = 4
    /// Maximum number of bytes of a name, before it is shortened for a message.
    static let longestName = 64
    private static let mostNames = 32

    /// The names of the fields of the object itself.
    private(set) var names: [String] = []
    /// Number of these fields.
    private(set) var count = 0
    /// The path to the longest text.
    private(set) var longestText: String?
    private var longestBytes = 0
    private var path: [[UInt8]] = []

    mutating func reset() {
        names.removeAll(keepingCapacity: true)
        (count, longestText, longestBytes) = (0, nil, 0)
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

    mutating func endText(bytes: Int, depth: Int) {
        guard depth == path.count, bytes > longestBytes, path.allSatisfy({ $0.count < Self.longestName }) else {
            return
        }
        let dot = UInt8(ascii: ".")
        guard path.count == 1 || !path.contains(where: { $0.contains(dot) }) else { return }
        longestBytes = bytes
        longestText = String(decoding: Array(path.joined(separator: [dot])), as: UTF8.self)
    }
}
