/// Returns the indices of the `count` largest scores in descending order. Ties are ordered by index.
///
/// Excludes scores of −∞ and indices that `isCandidate` rejects. Takes O(n log count) time with a heap of the best
/// scores so far, worst on top.
package func topIndices(of scores: [Double], count: Int, where isCandidate: (Int) -> Bool = { _ in true }) -> [Int] {
    func isWorse(_ a: Int, _ b: Int) -> Bool { scores[a] < scores[b] || (scores[a] == scores[b] && a > b) }
    guard count > 0 else { return [] }
    var heap: [Int] = []
    heap.reserveCapacity(min(count, scores.count))

    func siftUp(_ heap: inout [Int], from start: Int) {
        var child = start
        while child > 0 {
            let parent = (child - 1) / 2
            guard isWorse(heap[child], heap[parent]) else { return }
            heap.swapAt(child, parent)
            child = parent
        }
    }
    func siftDown(_ heap: inout [Int]) {
        var parent = 0
        while true {
            var worst = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && isWorse(heap[child], heap[worst])
            {
                worst = child
            }
            guard worst != parent else { return }
            heap.swapAt(parent, worst)
            parent = worst
        }
    }

    for index in scores.indices where scores[index] > -.infinity {
        if heap.count < count {
            guard isCandidate(index) else { continue }
            heap.append(index)
            siftUp(&heap, from: heap.count - 1)
        } else if isWorse(heap[0], index) && isCandidate(index) {
            heap[0] = index
            siftDown(&heap)
        }
    }
    return heap.sorted { isWorse($1, $0) }
}
