import Distribution
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5)))
struct CollectivesTests {
    @Test(arguments: [1, 2, 3, 5])
    func everyRankGetsTheValuesOfAll(ranks: Int) async throws {
        let results = try await onRanks(ranks) { communicator in
            // Two ranges for each rank, larger than a socket's buffer; of the last one empty ones.
            let part = 100_000
            let ranges = (0..<ranks).map { rank in
                rank == ranks - 1
                    ? [] : [rank * part..<(rank + 1) * part, (ranks + rank) * part..<(ranks + rank + 1) * part]
            }
            var values = [Int32](repeating: -1, count: 2 * ranks * part)
            for range in ranges[communicator.rank] { for index in range { values[index] = Int32(index) } }
            try values.withUnsafeMutableBufferPointer { values in
                try communicator.gather(values, ranges, silenceSeconds: 60)
            }
            return ranges.joined().allSatisfy { $0.allSatisfy { values[$0] == Int32($0) } }
        }
        #expect(results == Array(repeating: true, count: ranks))
    }

    @Test func messagesKeepTheirOrderAndSize() async throws {
        let results = try await onRanks(2) { communicator in
            let texts = [[UInt8]](arrayLiteral: [], Array("a".utf8), [UInt8](repeating: 7, count: 3_000_000))
            guard communicator.rank == 1 else {
                for text in texts { try communicator.send(text, to: [1], silenceSeconds: 60) }
                return true
            }
            for text in texts {
                let received = try communicator.receive(from: 0, atMost: 3_000_000, silenceSeconds: 60)
                if received != text { return false }
            }
            return true
        }
        #expect(results == [true, true])
    }

    @Test func refusesMessagesThatAreTooLong() async {
        await #expect(throws: CommunicationError.malformed(rank: 0, reason: "a message of 11 bytes, more than 10")) {
            _ = try await onRanks(2) { communicator in
                if communicator.rank == 0 {
                    try communicator.send([UInt8](repeating: 0, count: 11), to: [1], silenceSeconds: 60)
                } else {
                    _ = try communicator.receive(from: 0, atMost: 10, silenceSeconds: 60)
                }
            }
        }
    }

    @Test func silenceEndsAnExchange() async throws {
        let results = try await onRanks(2) { communicator -> CommunicationError? in
            guard communicator.rank == 1 else { return nil }
            do throws(CommunicationError) {
                _ = try communicator.receive(from: 0, atMost: 10, silenceSeconds: 0.01)
                return nil
            } catch {
                return error
            }
        }
        #expect(results[1] == .silent(rank: 0, seconds: 0.01))
    }
}
