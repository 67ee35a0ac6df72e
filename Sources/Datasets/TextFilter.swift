/// A step that text goes through before it is tokenized.
public struct TextFilter: Sendable {
    public let name: String
    /// The text as it goes on, or nil where it is left out.
    let apply: @Sendable (String) -> String?

    private static let known: [TextFilter] = [
        TextFilter(name: "lowercase") { $0.lowercased() }
    ]

    /// The filters of these names, in this order.
    public static func named(_ names: [String]) throws(DatasetError) -> [TextFilter] {
        var filters: [TextFilter] = []
        for name in names {
            guard let filter = known.first(where: { $0.name == name }) else {
                throw .unknownFilter(name, known: known.map(\.name))
            }
            filters.append(filter)
        }
        return filters
    }
}

extension [TextFilter] {
    /// What all of them, one after the other, make of a text; nil where one leaves it out.
    public func apply(to text: String) -> String? {
        var text = text
        for filter in self {
            guard let next = filter.apply(text) else { return nil }
            text = next
        }
        return text
    }
}
