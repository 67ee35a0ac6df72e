/// Statistics of the texts of many objects, so that another field is suggested only if it looks like text.
struct JSONTextSamples {
    private struct Sample {
        var count = 0
        var bytes = 0
        let first: JSONOutline.Text
        var isVarying = false
    }

    private static let mostFields = 256

    private var samples: [String: Sample] = [:]

    mutating func add(_ outline: JSONOutline) {
        for text in outline.texts {
            guard samples[text.field] != nil || samples.count < Self.mostFields else { continue }
            var sample = samples[text.field] ?? Sample(first: text)
            sample.count += 1
            sample.bytes += text.bytes
            if text.bytes != sample.first.bytes || text.beginning != sample.first.beginning { sample.isVarying = true }
            samples[text.field] = sample
        }
    }

    /// Returns the field with the longest text of this object that can be the text of objects: its values differ, and they
    /// are not shorter than those of the fields that were asked for.
    /// - Parameter outer: names of fields of the object around these objects, which describe all of them
    func advisable(_ outline: JSONOutline, insteadOf fields: [String], outer: Set<String>) -> String? {
        let least = fields.compactMap { mean(samples[$0]) }.max() ?? 0
        return outline.texts.sorted { $0.bytes > $1.bytes }.first { text in
            guard !fields.contains(text.field), !outer.contains(text.field), let sample = samples[text.field] else {
                return false
            }
            return (sample.isVarying || sample.count == 1) && mean(sample)! >= least
        }?.field
    }

    private func mean(_ sample: Sample?) -> Double? { sample.map { Double($0.bytes) / Double($0.count) } }
}
