import Interface

/// The accepted values of parameters, which the interface documents in the comment of a field.
enum InterfaceRanges {
    /// - Parameter parameter: its path, such as `sampling.top_p`
    /// - Returns: such as `greater than 0 and at most 1`; nil if the interface does not say
    static func range(of parameter: String) -> String? {
        let parts = parameter.split(separator: ".")
        guard let name = parts.last?.prefix(while: { $0 != "[" }) else { return nil }
        for description in [InferenceInterface.description, ManagerInterface.description] {
            var isSearched = false
            var comment: [Substring] = []
            for line in description.split(separator: "\n", omittingEmptySubsequences: false) {
                let text = line.drop { $0 == " " }
                if line.first?.isLetter == true {
                    isSearched = line.hasPrefix(parts.count > 1 ? "type Sampling " : "method ")
                }
                if text.hasPrefix("#") {
                    comment.append(text.dropFirst().drop { $0 == " " })
                    continue
                }
                if isSearched, !comment.isEmpty, text.hasPrefix("\(name): ") {
                    return accepted(comment.joined(separator: " "))
                }
                comment = []
            }
        }
        return nil
    }

    /// Returns the sentence as the end of another.
    private static func accepted(_ sentence: String) -> String {
        let text = sentence.hasSuffix(".") ? sentence.dropLast() : sentence[...]
        return (text.first?.lowercased() ?? "") + text.dropFirst()
    }
}
