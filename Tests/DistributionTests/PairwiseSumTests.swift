import Distribution
import Testing

/// Returns the expression that sums workers `0..<count` if ranks have consecutive parts of them.
private func expression(workers count: Int, ranks: Int) -> String? {
    var sum = PairwiseSum<String> { "(\($0)+\($1))" }
    for rank in 0..<ranks {
        var part = PairwiseSum<String> { "(\($0)+\($1))" }
        for worker in rank * count / ranks..<(rank + 1) * count / ranks { part.append("\(worker)", worker: worker) }
        for node in part.nodes { sum.append(node) }
    }
    return sum.total()
}

@Test func addsNeighborsInPairs() {
    #expect(expression(workers: 4, ranks: 1) == "((0+1)+(2+3))")
    #expect(expression(workers: 7, ranks: 1) == "(((0+1)+(2+3))+((4+5)+6))")
    #expect(expression(workers: 1, ranks: 1) == "0")
    #expect(PairwiseSum<Int>(add: +).total() == nil)
}

@Test(arguments: 1...33)
func anyNumberOfRanksAddsInTheSameOrder(workers: Int) {
    let alone = expression(workers: workers, ranks: 1)
    for ranks in 1...workers { #expect(expression(workers: workers, ranks: ranks) == alone, "\(ranks) ranks") }
}

@Test func ranksWithPowersOfTwoSendOneValue() {
    for (workers, ranks) in [(8, 2), (8, 4), (8, 8), (1024, 16)] {
        for rank in 0..<ranks {
            let part = rank * workers / ranks..<(rank + 1) * workers / ranks
            #expect(PairwiseSum.subtrees(ofWorkers: part).count == 1)
        }
    }
    #expect(PairwiseSum.subtrees(ofWorkers: 3..<6).map(\.level) == [0, 1])
    #expect(PairwiseSum.subtrees(ofWorkers: 3..<6).map(\.index) == [3, 2])
}

@Test func needsFewValuesAtATime() {
    #expect(PairwiseSum.mostValues(ofWorkers: 0..<1) == 1)
    #expect(PairwiseSum.mostValues(ofWorkers: 0..<2) == 2)
    #expect(PairwiseSum.mostValues(ofWorkers: 0..<64) == 7)
    #expect(PairwiseSum.mostValues(ofWorkers: 0..<0) == 0)
}
