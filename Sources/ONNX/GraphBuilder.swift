/// Builds a `GraphProto` (onnx/onnx.proto) node by node.
struct GraphBuilder {
    /// `TensorProto.DataType`
    enum ElementType: Int {
        case float = 1
        case int64 = 7
        case bool = 9
    }

    enum Attribute {
        case int(String, Int)
        case float(String, Float)
        case ints(String, [Int])

        /// An `AttributeProto`.
        fileprivate var message: ProtobufMessage {
            var message = ProtobufMessage()
            switch self {
            case .int(let name, let value):
                message.add(1, name)
                message.add(3, value)
                message.add(20, 2)
            case .float(let name, let value):
                message.add(1, name)
                message.add(2, value)
                message.add(20, 1)
            case .ints(let name, let values):
                message.add(1, name)
                for value in values { message.add(8, value) }
                message.add(20, 7)
            }
            return message
        }
    }

    enum Dimension {
        case fixed(Int)
        case named(String)
    }

    private var nodes = ProtobufMessage()
    private var initializers = ProtobufMessage()
    private var values = ProtobufMessage()

    /// The complete graph.
    func graph(name: String) -> ProtobufMessage {
        var graph = ProtobufMessage()
        graph.append(contentsOf: nodes)
        graph.add(2, name)
        graph.append(contentsOf: initializers)
        graph.append(contentsOf: values)
        return graph
    }

    /// Adds a node with one output, whose name is also the node's.
    /// - Returns: the name of the output
    mutating func node(
        _ operation: String, _ inputs: [String], _ attributes: [Attribute] = [], as output: String
    ) -> String {
        var node = ProtobufMessage()
        for input in inputs { node.add(1, input) }
        node.add(2, output)
        node.add(3, output)
        node.add(4, operation)
        for attribute in attributes { node.add(5, attribute.message) }
        nodes.add(1, node)
        return output
    }

    /// Adds a constant vector, or with `isScalar` its only number.
    mutating func constant(_ name: String, _ numbers: [Int], isScalar: Bool = false) -> String {
        let bytes = numbers.flatMap { number in
            withUnsafeBytes(of: Int64(number).littleEndian) { [UInt8]($0) }
        }
        addInitializer(name, .int64, shape: isScalar ? [] : [numbers.count]) { $0.add(9, bytes: bytes) }
        return name
    }

    mutating func constant(_ name: String, _ number: Float) -> String {
        addInitializer(name, .float, shape: []) { tensor in
            tensor.add(9, bytes: withUnsafeBytes(of: number.bitPattern.littleEndian) { [UInt8]($0) })
        }
        return name
    }

    /// Adds a tensor whose float32 numbers are a range of the file with the weights.
    /// - Parameter file: the name of that file if the numbers stay in it; nil if they are copied
    mutating func weights(_ name: String, shape: [Int], range: Range<Int>, in file: String?) {
        addInitializer(name, .float, shape: shape) { tensor in
            guard let file else { return tensor.add(9, weights: range) }
            for (key, value) in [
                ("location", file), ("offset", "\(range.lowerBound)"), ("length", "\(range.count)"),
            ] {
                var entry = ProtobufMessage()
                entry.add(1, key)
                entry.add(2, value)
                tensor.add(13, entry)
            }
            tensor.add(14, 1)
        }
    }

    private mutating func addInitializer(
        _ name: String, _ type: ElementType, shape: [Int], _ data: (inout ProtobufMessage) -> Void
    ) {
        var tensor = ProtobufMessage()
        for extent in shape { tensor.add(1, extent) }
        tensor.add(2, type.rawValue)
        tensor.add(8, name)
        data(&tensor)
        initializers.add(5, tensor)
    }

    mutating func input(_ name: String, _ type: ElementType, _ shape: [Dimension]) {
        values.add(11, Self.value(name, type, shape))
    }

    mutating func output(_ name: String, _ type: ElementType, _ shape: [Dimension]) {
        values.add(12, Self.value(name, type, shape))
    }

    /// A `ValueInfoProto`.
    private static func value(_ name: String, _ type: ElementType, _ shape: [Dimension]) -> ProtobufMessage {
        var dimensions = ProtobufMessage()
        for extent in shape {
            var dimension = ProtobufMessage()
            switch extent {
            case .fixed(let number): dimension.add(1, number)
            case .named(let name): dimension.add(2, name)
            }
            dimensions.add(1, dimension)
        }
        var tensor = ProtobufMessage()
        tensor.add(1, type.rawValue)
        tensor.add(2, dimensions)
        var types = ProtobufMessage()
        types.add(1, tensor)
        var value = ProtobufMessage()
        value.add(1, name)
        value.add(2, types)
        return value
    }
}
