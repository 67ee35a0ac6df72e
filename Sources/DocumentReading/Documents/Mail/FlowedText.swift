/// Joins the lines of paragraphs that a program has divided for display (`format=flowed`, RFC 3676).
struct FlowedText {
    private(set) var text: [UInt8] = []
    private let isSpaceDeleted: Bool
    /// Number of quote marks of the paragraph that the next line may continue.
    private var openDepth: Int?

    /// - Parameter isSpaceDeleted: whether the space at the end of a divided line is not part of the text (`delsp=yes`)
    init(_ bytes: [UInt8], isSpaceDeleted: Bool) {
        self.isSpaceDeleted = isSpaceDeleted
        text.reserveCapacity(bytes.count)
        var rest = bytes[...]
        while !rest.isEmpty {
            let end = rest.firstIndex(of: UInt8(ascii: "\n")) ?? rest.endIndex
            let line = rest[..<end]
            append(line.last == UInt8(ascii: "\r") ? line.dropLast() : line)
            rest = rest[end...].dropFirst()
        }
        if openDepth != nil { text.append(UInt8(ascii: "\n")) }
    }

    private mutating func append(_ line: ArraySlice<UInt8>) {
        let depth = line.prefix { $0 == UInt8(ascii: ">") }.count
        var content = line.dropFirst(depth)
        if content.first == UInt8(ascii: " ") { content = content.dropFirst() }
        // The line before a signature ends with a space, but is not divided.
        let isSignature = content.elementsEqual(Array("-- ".utf8))
        if openDepth != nil, openDepth != depth || isSignature {
            text.append(UInt8(ascii: "\n"))
            openDepth = nil
        }
        if openDepth == nil, depth > 0 {
            text.append(contentsOf: repeatElement(UInt8(ascii: ">"), count: depth))
            text.append(UInt8(ascii: " "))
        }
        let isDivided = content.last == UInt8(ascii: " ") && !isSignature
        text.append(contentsOf: content.dropLast(isDivided && isSpaceDeleted ? 1 : 0))
        openDepth = isDivided ? depth : nil
        if !isDivided { text.append(UInt8(ascii: "\n")) }
    }
}
