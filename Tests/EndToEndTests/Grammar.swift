/// Generates reproducible sentences of a small grammar that a tiny model can learn.
enum Grammar {
    static func text(lines: Int, seed: UInt64) -> String {
        var state = seed &* 2_862_933_555_777_941_757 &+ 3_037_000_493
        func pick(_ words: [String]) -> String {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return words[Int(state >> 33) % words.count]
        }
        var text = ""
        for line in 1...lines {
            let subject =
                "\(pick(["the", "every", "some"])) \(pick(["red", "old", "small", "wise"])) "
                + pick(["fox", "judge", "baker", "sailor", "child"])
            let object = "\(pick(["a", "the", "that"])) \(pick(["lamp", "letter", "river", "garden", "story"]))"
            text +=
                "\(subject) \(pick(["sees", "finds", "keeps", "forgets"])) \(object) "
                + "\(pick(["at night", "in spring", "near the sea", "with joy"])).\n"
            if line % 5 == 0 { text += "\n" }
        }
        return text
    }
}
