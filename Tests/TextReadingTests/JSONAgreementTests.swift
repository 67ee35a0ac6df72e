import Foundation
import Testing
import TextReading
import Varlink

/// Compares the JSON reader with Foundation's JSON parser.
@Suite struct JSONAgreementTests {
    private static let seeds = [
        #"{"text":"a \"b\" \\ \/ \b\f\n\r\t \u00e9\ud83d\ude00","n":[-0,0.5,1e3,2E-7,10],"o":{"text":null,"x":[{}]}}"#,
        #"{"id":1,"text":null,"b":[true,false,null,[],[[]]]}"#, #" { "text" : "x" , "y" : { } } "#, #"["text","a"]"#,
        #"{"text":5}"#, #"{}"#, #"{"a":"text","text":"b"}"#, #"-12.5e+3"#,
    ].map { Array($0.utf8) }

    /// Mutates valid documents; the random number generator is seeded.
    @Test func agreesWithFoundation() throws {
        var random = SeededNumbers(state: 16)
        let alphabet = Array(#"{}[]",:\u0dD8eE+-.19ntrfals x"#.utf8)
        var counts = (taken: 0, refused: 0)
        for seed in Self.seeds {
            for round in 0..<2000 {
                var bytes = seed
                for _ in 0..<(round == 0 ? 0 : Int.random(in: 1...3, using: &random)) {
                    let place = Int.random(in: 0..<max(1, bytes.count), using: &random)
                    let byte = alphabet.randomElement(using: &random)!
                    switch Int.random(in: 0..<3, using: &random) {
                    case 0 where !bytes.isEmpty: bytes[place] = byte
                    case 1 where !bytes.isEmpty: bytes.remove(at: place)
                    default: bytes.insert(byte, at: place)
                    }
                }
                guard bytes.contains(where: { $0 > 0x20 }) else { continue }
                try compare(bytes, &counts)
            }
        }
        #expect(counts.taken > 500 && counts.refused > 1000, "\(counts)")
    }

    private func compare(_ bytes: [UInt8], _ counts: inout (taken: Int, refused: Int)) throws {
        let line = String(decoding: bytes, as: UTF8.self)
        // Foundation rejects numbers out of the range of Double, and accepts a trailing comma.
        guard try !line.contains(Regex(#"[eE][-+]?[0-9]{3}|, *[}\]]"#)) else { return }
        // Decoded completely, so that every number and string is validated.
        let tree = try? JSONDecoder().decode(JSONValue.self, from: Data(bytes))
        // Foundation rejects lone surrogates, and has the first of equal names.
        if tree == nil, line.contains("\\u") || line.matches(of: /"text"/).count > 1 { return }
        let reading = try Reading(.jsonl, line)
        guard let reason = reading.rejection else {
            guard case .object(let members)? = tree, case .string(let text)? = members["text"] else {
                Issue.record("accepted: \(line)")
                return
            }
            let expected = text.replacing("\r\n", with: " ").replacing("\n", with: " ").replacing("\r", with: " ")
            #expect(reading.lines == [expected], "\(line)")
            counts.taken += 1
            return
        }
        if reason.hasPrefix("line 1: invalid JSON") {
            #expect(tree == nil, "rejected: \(line)")
            counts.refused += 1
        } else if reason == "line 1: not a JSON object" {
            if case .object? = tree { Issue.record("is an object: \(line)") }
        } else if case .object(let members)? = tree {
            switch (reason.contains("have no string in"), members["text"]) {
            case (true, .string?), (true, .null?), (true, nil): Issue.record("is a string: \(line)")
            case (false, .string(let text)?):
                #expect(text.unicodeScalars.allSatisfy { $0.value <= 0x20 }, "has text: \(line)")
            default: break
            }
        } else {
            Issue.record("is no object: \(line)")
        }
    }
}

/// SplitMix64.
private struct SeededNumbers: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
