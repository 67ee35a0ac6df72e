/// The line of each key in a block-style YAML file, for messages and to find unknown keys.
///
/// swift-configuration reads the values but keeps neither line numbers nor a list of the keys.
package struct YAMLKeyPlaces {
    /// Dotted keys with their line numbers, counted from 1.
    package private(set) var lines: [(key: String, line: Int)] = []

    package init(_ text: String) {
        var open: [(indent: Int, key: String)] = []
        for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let indent = line.prefix { $0 == " " }.count
            let content = line.dropFirst(indent)
            guard let colon = content.firstIndex(of: ":"), !content.hasPrefix("#"), !content.hasPrefix("-") else {
                continue
            }
            let after = content[content.index(after: colon)...]
            guard after.isEmpty || after.first == " " || after.first == "\r" else { continue }
            while let last = open.last, last.indent >= indent { open.removeLast() }
            let name = content[..<colon].filter { $0 != "\"" && $0 != "'" && $0 != " " }
            open.append((indent, name))
            lines.append((open.map(\.key).joined(separator: "."), number + 1))
        }
    }

    func line(of key: String) -> Int? { lines.first { $0.key == key }?.line }
}
