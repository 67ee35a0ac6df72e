/// The fields of an object that contain its text: `text`, or `message.text` for the field of a field.
struct JSONPaths {
    /// One reading of a name: with a dot, it can be a name itself or the names of nested fields.
    struct Path {
        let names: [[UInt8]]
        /// Index of the name in the list of fields.
        let field: Int
    }

    /// The paths, in the order in which they are tried for each field.
    let paths: [Path]
    let fieldCount: Int
    /// One byte more than the longest name has.
    let keptNameBytes: Int

    /// Maximum number of fields, each with two paths of one bit in a mask.
    static let mostFields = 16

    init(_ fields: [String]) {
        var paths: [Path] = []
        for (index, field) in fields.prefix(Self.mostFields).enumerated() {
            paths.append(Path(names: [Array(field.utf8)], field: index))
            let parts = field.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
            if parts.count > 1, parts.count <= JSONScanner.deepest {
                paths.append(Path(names: parts.map { Array($0) }, field: index))
            }
        }
        self.paths = paths
        fieldCount = min(fields.count, Self.mostFields)
        keptNameBytes = (paths.flatMap(\.names).map(\.count).max() ?? 0) + 1
    }

    /// All paths, which begin at the fields of a record.
    var all: UInt64 { (1 << UInt64(paths.count)) - 1 }

    /// Of the paths in `mask`, returns those that continue with `name` at this depth, counted from 1: those that end with
    /// it, and those that lead into its value.
    func matches(_ name: [UInt8], _ mask: UInt64, depth: Int) -> (ends: UInt64, leads: UInt64) {
        var (ends, leads): (UInt64, UInt64) = (0, 0)
        for (index, path) in paths.enumerated() where mask & (1 << UInt64(index)) != 0 {
            guard path.names[depth - 1] == name else { continue }
            if path.names.count == depth { ends |= 1 << UInt64(index) } else { leads |= 1 << UInt64(index) }
        }
        return (ends, leads)
    }
}
