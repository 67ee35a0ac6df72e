/// Sums the values of consecutive workers in pairs, in an order that depends on the workers alone.
///
/// The values of workers 2i and 2i + 1 are added, then those of the pairs 2i and 2i + 1, and so on. Floating-point sums
/// depend on the order of their terms; this order is the same whether one process has all workers or several have some
/// each. A process that has the workers of a whole subtree sends one value for them, and rounding errors grow with the
/// logarithm of the number of workers.
public struct PairwiseSum<Value> {
    /// The sum over the workers `index << level ..< (index + 1) << level`.
    public struct Node {
        public var level: Int
        public var index: Int
        public var value: Value

        public init(level: Int, index: Int, value: Value) {
            self.level = level
            self.index = index
            self.value = value
        }
    }

    /// The nodes that have no sibling yet, in the order of their workers.
    public private(set) var nodes: [Node] = []
    private let add: (Value, Value) -> Value

    /// - Parameter add: returns the sum of two neighbors, the first one first
    public init(add: @escaping (Value, Value) -> Value) { self.add = add }

    /// Adds the value of the next worker or subtree.
    public mutating func append(_ node: Node) {
        var node = node
        while let left = nodes.last, left.level == node.level, left.index & 1 == 0, left.index + 1 == node.index {
            nodes.removeLast()
            node = Node(level: node.level + 1, index: node.index / 2, value: add(left.value, node.value))
        }
        nodes.append(node)
    }

    public mutating func append(_ value: Value, worker: Int) { append(Node(level: 0, index: worker, value: value)) }

    /// Returns the sum over all workers; nil if there are none. Without a power of two, the last nodes have no sibling, and
    /// are added from the smallest on.
    public func total() -> Value? {
        guard var sum = nodes.last?.value else { return nil }
        for node in nodes.dropLast().reversed() { sum = add(node.value, sum) }
        return sum
    }
}

extension PairwiseSum<Void> {
    /// Returns the levels and indices of the subtrees that the workers of a process sum up to.
    public static func subtrees(ofWorkers workers: Range<Int>) -> [Node] {
        var sum = PairwiseSum { _, _ in }
        for worker in workers { sum.append((), worker: worker) }
        return sum.nodes
    }

    /// Returns how many values exist at the same time while these workers are summed up.
    public static func mostValues(ofWorkers workers: Range<Int>) -> Int {
        var sum = PairwiseSum { _, _ in }
        var most = 0
        for worker in workers {
            most = max(most, sum.nodes.count + 1)
            sum.append((), worker: worker)
        }
        return most
    }
}
