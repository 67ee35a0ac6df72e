/// Puts messages that answer each other in order, from their ids alone.
///
/// A thread is the longest chain of replies from a message that answers none. Where a message has several replies, each
/// other one begins a branch, which is the longest chain of replies to it. So each message is in one thread or branch.
///
/// Takes 40 bytes per message at most, and no recursion.
struct ThreadTable {
    /// Replies to messages that are not in the table.
    private(set) var missing = 0
    /// Messages with the id of an earlier one, which answer none and have no replies.
    private(set) var duplicates = 0
    /// Messages that answer themselves, or one of their own replies. They are taken to answer none.
    private(set) var circular = 0

    /// The id of a message that has none, or answers none.
    static let none = UInt64.max
    private static let noReply = UInt32.max

    /// Ids; empty after `connect`.
    private var ids: [UInt64] = []
    /// For each message, the id of the one that it answers; after `connect`, its index.
    private var parents: [UInt64] = []
    /// For each message, the index of the reply with which its thread continues.
    private var replies: [UInt32] = []
    /// Index of the first message that may begin a thread that was not returned.
    private var next = 0

    var count: Int { parents.count }

    /// Adds a message.
    /// - Precondition: there are fewer than 2³² − 1
    mutating func add(id: UInt64, answering parent: UInt64) {
        ids.append(id)
        parents.append(parent)
    }

    /// Finds all threads. No message may be added afterwards.
    mutating func connect() {
        resolveParents()
        var chains = Chains(parents)
        chains.visitAll()
        // What is left are circles, whose other branches have been visited.
        for index in parents.indices where !chains.isVisited(index) {
            circular += 1
            chains.cut(at: index)
        }
        (parents, replies) = (chains.parents, chains.replies)
    }

    /// Returns the first message of the next thread or branch, in the order of the messages; nil at the end.
    mutating func nextStart() -> Int? {
        while next < parents.count {
            defer { next += 1 }
            guard let parent = parent(of: next) else { return next }
            if replies[parent] != next { return next }
        }
        return nil
    }

    /// Returns the message that a message answers.
    func parent(of index: Int) -> Int? { parents[index] == Self.none ? nil : Int(parents[index]) }

    /// Returns the reply with which the thread of a message continues.
    func reply(to index: Int) -> Int? { replies[index] == Self.noReply ? nil : Int(replies[index]) }

    private mutating func resolveParents() {
        let ids = ids
        self.ids = []
        var order = [UInt32](0..<UInt32(ids.count))
        order.sort { (ids[Int($0)], $0) < (ids[Int($1)], $1) }
        for (previous, index) in zip(order, order.dropFirst()) {
            guard ids[Int(index)] != Self.none, ids[Int(index)] == ids[Int(previous)] else { continue }
            duplicates += 1
            parents[Int(index)] = Self.none
        }
        for index in parents.indices where parents[index] != Self.none {
            let parent = parents[index]
            guard parent != ids[index] else {
                circular += 1
                parents[index] = Self.none
                continue
            }
            var (low, high) = (0, order.count)
            while low < high {
                let middle = (low + high) / 2
                if ids[Int(order[middle])] < parent { low = middle + 1 } else { high = middle }
            }
            if low < order.count, ids[Int(order[low])] == parent {
                parents[index] = UInt64(order[low])
            } else {
                missing += 1
                parents[index] = Self.none
            }
        }
    }

    /// The longest chain of replies to each message, found from the messages without replies.
    private struct Chains {
        private(set) var parents: [UInt64]
        private(set) var replies: [UInt32]
        private var lengths: [UInt32]
        /// Number of replies that have not been visited, or `visited`.
        private var open: [UInt32]

        private static let visited = UInt32.max

        init(_ parents: [UInt64]) {
            self.parents = parents
            replies = Array(repeating: ThreadTable.noReply, count: parents.count)
            lengths = Array(repeating: 0, count: parents.count)
            open = lengths
            for parent in parents where parent != ThreadTable.none { open[Int(parent)] += 1 }
        }

        func isVisited(_ index: Int) -> Bool { open[index] == Self.visited }

        mutating func visitAll() {
            for index in open.indices { visit(index) }
        }

        /// Lets a message in a circle answer none, and visits the messages of the circle.
        mutating func cut(at index: Int) {
            let parent = Int(parents[index])
            parents[index] = ThreadTable.none
            open[parent] -= 1
            visit(parent)
        }

        /// Visits a message and those that it answers, as long as all of their replies have been visited.
        private mutating func visit(_ start: Int) {
            var index = start
            while open[index] == 0 {
                open[index] = Self.visited
                guard parents[index] != ThreadTable.none else { return }
                let parent = Int(parents[index])
                let length = lengths[index] + 1
                if length > lengths[parent] || length == lengths[parent] && UInt32(index) < replies[parent] {
                    lengths[parent] = length
                    replies[parent] = UInt32(index)
                }
                open[parent] -= 1
                index = parent
            }
        }
    }
}
