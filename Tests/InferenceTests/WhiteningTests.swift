import Inference
import Testing

@Suite struct WhiteningTests {
    /// Vectors with a common part, of which one direction varies much more than the others.
    private static func vectors(_ count: Int, _ dimension: Int) -> [Float] {
        var generator = SystemRandomNumberGenerator()
        return (0..<count).flatMap { _ -> [Float] in
            let main = Float.random(in: -10...10, using: &generator)
            return (0..<dimension).map { 3 + main / Float($0 + 1) + Float.random(in: -0.5...0.5, using: &generator) }
        }
    }

    @Test func directionsBecomeComparable() {
        let (count, dimension) = (3000, 8)
        let vectors = Self.vectors(count, dimension)
        let whitening = Whitening(of: vectors, dimension: dimension)
        let whitened = (0..<count).map { whitening.apply(Array(vectors[$0 * dimension..<($0 + 1) * dimension])) }
        for vector in whitened { #expect(abs(vector.reduce(0) { $0 + $1 * $1 } - 1) < 1e-4) }
        // Random pairs are not similar, although all vectors have a common part.
        func cosine(_ a: [Float], _ b: [Float]) -> Float { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
        let mean = (0..<count - 1).reduce(0) { $0 + cosine(whitened[$1], whitened[$1 + 1]) } / Float(count - 1)
        #expect(abs(mean) < 0.1)
        for column in 0..<dimension {
            let variance = whitened.reduce(0) { $0 + $1[column] * $1[column] } / Float(count)
            #expect(variance > 0.2 / Float(dimension) && variance < 5 / Float(dimension), "\(column): \(variance)")
        }
        #expect(cosine(whitened[0], whitened[0]) > 0.999)
    }

    @Test func fewVectorsAreOnlyCentered() {
        let one = Whitening(of: [1, 2, 3], dimension: 3)
        #expect(one.apply([1, 2, 3]) == [0, 0, 0])
        let other = one.apply([2, 2, 3])
        #expect(other[0] > 0.999)
        #expect(Whitening(of: [], dimension: 2).apply([3, 4]) == [0.6, 0.8])
    }

    @Test func damagedNumbersAreRefused() {
        #expect(Whitening(mean: [0, 0], factor: [1, 0, 0.5, 2]) != nil)
        #expect(Whitening(mean: [0, 0], factor: [1, 0, 0.5]) == nil)
        #expect(Whitening(mean: [0, .nan], factor: [1, 0, 0.5, 2]) == nil)
        #expect(Whitening(mean: [0, 0], factor: [1, 0, 0.5, 0]) == nil)
        #expect(Whitening(mean: [], factor: []) == nil)
    }

    @Test func beginningsOfLongTextsAreEmbedded() async throws {
        for engine in [Fixture.clm, Fixture.mlm] {
            let whole = try await engine.embed(["Reason"])[0].vector
            let found = try await engine.beginningEmbeddings(["Reason", String(repeating: "Reason ", count: 2000), ""])
            #expect(found.map(\.isCut) == [false, true, false])
            #expect(found[0].vector == whole)
            #expect(found.allSatisfy { $0.vector.count == engine.embeddingSize })
        }
    }
}
