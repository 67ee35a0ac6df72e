/// The JSON header of a safetensors file: `{"NAME": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, …,
/// "__metadata__": {"KEY": "VALUE", …}}`.
///
/// The parser accepts only this structure, without duplicate keys, in time and memory proportional to the length.
package struct SafetensorsHeader {
    package struct Entry {
        package let name: String
        package let type: String
        package let shape: [Int]
        /// Offsets relative to the end of the header.
        package let begin: Int
        package let end: Int
    }

    package struct Flaw: Error {
        package let reason: String

        package init(reason: String) { self.reason = reason }
    }

    /// Maximum length of a header in bytes. A checkpoint of 512 layers with its moments has a header of 4 MB.
    package static let longest = 1 << 23
    package static let longestName = 256
    fileprivate static let mostDimensions = 8

    package private(set) var entries: [Entry] = []
    package private(set) var metadata: [String: String] = [:]

    package init(_ bytes: [UInt8]) throws(Flaw) {
        var reader = HeaderJSON(bytes)
        var names: Set<String> = []
        var hasMetadata = false
        try reader.object { reader, name throws(Flaw) in
            if name == "__metadata__" {
                guard !hasMetadata else { throw Flaw(reason: "`__metadata__` occurs twice") }
                hasMetadata = true
                var metadata: [String: String] = [:]
                try reader.object { reader, key throws(Flaw) in
                    let value = try reader.string()
                    guard metadata.updateValue(value, forKey: key) == nil else {
                        throw Flaw(reason: "`\(key.prefix(100))` of `__metadata__` occurs twice")
                    }
                }
                self.metadata = metadata
                return
            }
            guard name.utf8.count <= Self.longestName else {
                throw Flaw(reason: "a tensor name has more than \(Self.longestName) bytes")
            }
            guard names.insert(name).inserted else { throw Flaw(reason: "`\(name)` occurs twice") }
            entries.append(try Self.entry(name, &reader))
        }
        try reader.end()
    }

    private static func entry(_ name: String, _ reader: inout HeaderJSON) throws(Flaw) -> Entry {
        var (type, shape, offsets): (String?, [Int]?, [Int]?) = (nil, nil, nil)
        try reader.object { reader, key throws(Flaw) in
            switch key {
            case "dtype" where type == nil: type = String(try reader.string().prefix(16))
            case "shape" where shape == nil: shape = try reader.numbers(atMost: mostDimensions)
            case "data_offsets" where offsets == nil: offsets = try reader.numbers(atMost: 2)
            default:
                throw Flaw(
                    reason: "`\(name)` has the key `\(key.prefix(100))`, expected dtype, shape and data_offsets, "
                        + "once each")
            }
        }
        guard let type, let shape, let offsets, offsets.count == 2 else {
            throw Flaw(reason: "`\(name)` lacks its dtype, its shape or its two data_offsets")
        }
        guard offsets[0] <= offsets[1] else { throw Flaw(reason: "`\(name)` has decreasing data offsets \(offsets)") }
        return Entry(name: name, type: type, shape: shape, begin: offsets[0], end: offsets[1])
    }
}
