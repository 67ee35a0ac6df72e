import TextReading

/// Determines the encoding of a text from its bytes: the candidate in which the bytes outside ASCII are most probable
/// text of some language.
struct EncodingDetection {
    enum Result {
        case found(EncodingName)
        /// The names of the most probable encodings, which give different texts.
        case ambiguous([String])
        case mixed
        /// Some lines are UTF-8, and the others in another encoding, by the most probable names.
        case mixedLines(MixedLines, [String])
        /// By far the most probable encoding does not decode all of the text.
        case damaged(EncodingName)
        case none
    }

    private struct Scored {
        let candidate: Candidate
        var table: SingleByteTable?
        var sample: MultiByteScore?
        let score: Double
    }

    /// The difference of the scores below which two candidates are comparably probable.
    private static let leastMargin = 3.0
    /// The same, per byte that the two decode differently.
    private static let leastMarginPerDifference = 0.2
    /// The score per byte below which no candidate is probable.
    private static let leastPerByte = -6.5
    /// The same for text that contains UTF-8.
    private static let leastUnmixedPerByte = -4.5
    /// If a text with one byte per character has at least `leastLetters` letters in UTF-8, and at least one in
    /// `mostBytesPerLetter` bytes outside ASCII, they are not there by chance.
    private static let leastLetters = 10
    private static let mostBytesPerLetter = 400
    /// The corresponding limits for text with several bytes per character: sequences of three or four bytes.
    private static let leastLongSequences = 30
    private static let mostLongPercent = 15
    /// The share of the bytes outside ASCII in which the texts may differ, in hundredths.
    private static let mostDifferencePercent = 5
    /// The weight of uchardet's opinion: at most, and for each byte outside ASCII.
    private static let mostOpinion = 2.0
    private static let opinionPerByte = 0.2
    private static let mostShown = 3
    /// The least share of the bytes outside ASCII, one in so many, that lines in UTF-8 have in a mixture. Less is read as
    /// what the rest is, like other undecodable bytes.
    private static let mostBytesPerUnmixed = 1000
    /// By how much lines in UTF-8 are less probable than the others in the encoding of those, in all and for each byte
    /// outside ASCII.
    private static let leastForeignMargin = 12.0
    private static let leastForeignMarginPerByte = 1.5
    /// Number of other encodings that a part of the sample is compared with. It belongs to one of them above these
    /// margins.
    private static let mostOthers = 8
    private static let partBytes = 1 << 10
    private static let leastPartMargin = 20.0
    private static let leastPartMarginPerByte = 0.5

    private let region: FileRegion
    private let survey: ByteSurvey
    private let text: TextStatistics

    init(_ region: FileRegion, _ survey: ByteSurvey) throws {
        self.region = region
        self.survey = survey
        text = try TextStatistics(region)
    }

    private init(_ region: FileRegion, _ survey: ByteSurvey, _ text: TextStatistics) {
        (self.region, self.survey, self.text) = (region, survey, text)
    }

    func result() throws -> Result {
        guard text.highBytes > 0 else { return .none }
        if let mixture = try mixtureOfLines() { return mixture }
        let all = scores()
        let scored = try decodable(all)
        if let first = all.first, first.score / Double(text.highBytes) > Self.leastPerByte,
            !scored.contains(where: { $0.candidate.name == first.candidate.name || !isRival(first, of: $0) })
        {
            return isMixed(first) ? .mixed : .damaged(first.candidate.encoding)
        }
        guard let best = scored.first else { return .none }
        if isMixed(best) { return .mixed }
        guard best.table?.formsWords(text) ?? true, best.score / Double(text.highBytes) > Self.leastPerByte else {
            return .none
        }
        let rivals = scored.dropFirst().filter { isRival($0, of: best) }
        guard rivals.isEmpty else {
            return .ambiguous(([best] + rivals).prefix(Self.mostShown).map(\.candidate.name))
        }
        if let other = otherOfPart(best, all) { return .ambiguous([best.candidate.name, other.name]) }
        return .found(usual(best, scored).encoding)
    }

    /// Returns the encoding that explains a part of the sample far better than the one that explains all of it best: the
    /// text is in several encodings.
    private func otherOfPart(_ best: Scored, _ scored: [Scored]) -> Candidate? {
        guard let table = best.table else { return nil }
        let others = scored.filter { isDifferent($0, from: best) }.compactMap(\.table).prefix(Self.mostOthers)
        for block in text.sample {
            for start in stride(from: 0, to: block.count, by: Self.partBytes) {
                let part = TextStatistics(part: block[start..<min(block.count, start + Self.partBytes)])
                let least = max(Self.leastPartMargin, Self.leastPartMarginPerByte * Double(part.highBytes))
                let score = table.score(part)
                if let other = others.first(where: { $0.score(part) - score > least }) { return other.candidate }
            }
        }
        return nil
    }

    /// Returns the first of the candidates that decode the text identically.
    private func usual(_ best: Scored, _ scored: [Scored]) -> Candidate {
        guard let table = best.table else { return best.candidate }
        let equal = scored.filter { $0.table.map { table.differences($0, text) == 0 } ?? false }
        return equal.min { $0.candidate.rarity < $1.candidate.rarity }?.candidate ?? best.candidate
    }

    /// Whether so much of the text is well-formed UTF-8 that the rest must be in another encoding. In text of a single
    /// encoding, this happens by chance: seldom with one byte per character, often with two.
    private func isMixed(_ best: Scored) -> Bool {
        let percent = survey.sequenceBytes * 100 / text.highBytes
        guard let table = best.table else {
            let isLong =
                survey.longSequences >= Self.leastLongSequences
                && survey.longSequences * 300 > text.highBytes * Self.mostLongPercent
            return isLong || percent > 60
        }
        let letters = table.sequencesOfLetters(text)
        if letters >= Self.leastLetters, letters * Self.mostBytesPerLetter > text.highBytes { return true }
        let perByte = best.score / Double(text.highBytes)
        return percent > 40 || percent > 20 && (Self.leastPerByte..<Self.leastUnmixedPerByte).contains(perByte)
    }

    // MARK: Lines in UTF-8

    private func mixtureOfLines() throws -> Result? {
        guard let lines = try linesOfBoth() else { return nil }
        let others = EncodingDetection(region, survey, lines.others.text)
        let scored = others.scores()
        guard let best = scored.first, best.score / Double(others.text.highBytes) > Self.leastPerByte,
            best.table?.formsWords(others.text) ?? true
        else { return nil }
        let probable = [best] + scored.dropFirst().filter { others.isRival($0, of: best) }
        guard probable.allSatisfy({ others.areForeign(lines.utf8.text, to: $0) }) else { return nil }
        let names =
            probable.count > 1
            ? probable.prefix(Self.mostShown).map(\.candidate.name) : [others.usual(best, scored).name]
        return .mixedLines(lines, names)
    }

    /// Whether lines are UTF-8 in a text that is otherwise in this encoding.
    func hasLinesOfUTF8(besides encoding: EncodingName) throws -> Bool {
        guard let lines = try linesOfBoth() else { return false }
        let others = EncodingDetection(region, survey, lines.others.text)
        let own: Scored
        if let table = SingleByteTable.table(of: encoding) {
            own = Scored(candidate: table.candidate, table: table, score: table.score(others.text))
        } else if let candidate = Candidate.named(converter: encoding.converter),
            let sample = MultiByteScore(candidate, others.text.sample)
        {
            own = Scored(
                candidate: candidate, sample: sample, score: sample.perHighByte * Double(others.text.highBytes))
        } else {
            return false
        }
        return others.areForeign(lines.utf8.text, to: own)
    }

    private func linesOfBoth() throws -> MixedLines? {
        guard survey.sequences > 0, survey.invalidBytes > 0, let lines = try MixedLines(region),
            lines.utf8.text.highBytes * Self.mostBytesPerUnmixed > text.highBytes
        else { return nil }
        return lines
    }

    /// Whether other lines are far less probable in the encoding of this text than this text is.
    private func areForeign(_ lines: TextStatistics, to own: Scored) -> Bool {
        let perByte: Double
        if let table = own.table {
            perByte = (table.score(lines) + own.candidate.rarity) / Double(lines.highBytes)
        } else if let sample = MultiByteScore(own.candidate, lines.sample) {
            perByte = sample.perHighByte
        } else {
            return false
        }
        let margin = own.score / Double(text.highBytes) - perByte
        return margin >= Self.leastForeignMarginPerByte && margin * Double(lines.highBytes) >= Self.leastForeignMargin
    }

    // MARK: Candidates

    /// Returns all candidates, the most probable first.
    private func scores() -> [Scored] {
        let opinion = Uchardet.detect(text.sample)?.converter
        let weight = min(Self.mostOpinion, Self.opinionPerByte * Double(text.highBytes))
        func bonus(_ candidate: Candidate) -> Double {
            candidate.encoding.converter == opinion ? weight : 0
        }
        var scored = SingleByteTable.all.map {
            Scored(candidate: $0.candidate, table: $0, score: $0.score(text) + bonus($0.candidate))
        }
        for candidate in Candidate.all where !candidate.isSingleByte {
            guard let sample = MultiByteScore(candidate, text.sample) else { continue }
            scored.append(
                Scored(
                    candidate: candidate, sample: sample,
                    score: sample.perHighByte * Double(text.highBytes) - candidate.rarity + bonus(candidate)))
        }
        // Of equal scores, the first in the table of candidates wins.
        return scored.enumerated().sorted { ($1.element.score, $0.offset) < ($0.element.score, $1.offset) }
            .map(\.element)
    }

    /// Leaves out candidates that do not decode the region, except those too improbable to matter.
    private func decodable(_ scored: [Scored]) throws -> [Scored] {
        var found: [Scored] = []
        let margin = Self.leastMargin + Self.leastMarginPerDifference * Double(text.highBytes)
        let most = TextEncoding.mostReplaced(region)
        for one in scored {
            if let best = found.first, best.score - one.score > margin {
                break
            }
            if let table = one.table {
                if table.undefinedBytes(text) <= most { found.append(one) }
            } else if try TextEncoding.isDecodable(region, one.candidate, most: most) {
                found.append(one)
            }
        }
        return found
    }

    /// Whether another candidate is comparably probable and gives a different text.
    private func isRival(_ other: Scored, of best: Scored) -> Bool {
        let margin = best.score - other.score
        return isDifferent(other, from: best)
            && (margin < Self.leastMargin
                || margin < Self.leastMarginPerDifference * Double(differences(other, best)))
    }

    private func isDifferent(_ other: Scored, from best: Scored) -> Bool {
        differences(other, best) * 100 > text.highBytes * Self.mostDifferencePercent
    }

    /// Returns how many of the bytes outside ASCII two candidates decode differently.
    private func differences(_ other: Scored, _ best: Scored) -> Int {
        if let one = best.table, let table = other.table { return one.differences(table, text) }
        if let one = best.sample, let sample = other.sample {
            return Int(one.differences(sample) * Double(text.highBytes))
        }
        return text.highBytes
    }
}
