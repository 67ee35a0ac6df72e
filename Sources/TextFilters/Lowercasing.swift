extension [UInt8] {
    /// Equivalent to `str.lower` in Python: applies the full Unicode mapping, and maps a capital sigma at the end of a
    /// word to a final sigma. ASCII is converted in place.
    mutating func lowercase() {
        var isASCII = true
        for index in indices {
            let byte = self[index]
            if byte >= 0x80 { isASCII = false }
            if byte &- UInt8(ascii: "A") < 26 { self[index] = byte | 0x20 }
        }
        if !isASCII { lowercaseOthers() }
    }

    private mutating func lowercaseOthers() {
        var lowered: [UInt8] = []
        lowered.reserveCapacity(count + 8)
        var index = 0
        while index < count {
            if self[index] < 0x80 {
                lowered.append(self[index])
                index += 1
                continue
            }
            let (scalar, length) = character(at: index)
            if scalar == capitalSigma {
                lowered.append(contentsOf: isFinalSigma(at: index) ? [0xCF, 0x82] : [0xCF, 0x83])
            } else if let mapped = lowerMapping(scalar) {
                lowered.append(contentsOf: mapped.utf8)
            } else {
                lowered.append(contentsOf: self[index..<index + length])
            }
            index += length
        }
        self = lowered
    }

    /// Equivalent to `handle_capital_sigma` in CPython: preceded by a cased letter and not followed by one, skipping
    /// case-ignorable characters.
    private func isFinalSigma(at index: Int) -> Bool {
        var before = index
        var isAfterCased = false
        while let (scalar, length) = character(before: before) {
            before -= length
            guard isCaseIgnorable(scalar) else {
                isAfterCased = isCased(scalar)
                break
            }
        }
        guard isAfterCased else { return false }
        var after = index + 2
        while after < count {
            let (scalar, length) = character(at: after)
            after += length
            guard isCaseIgnorable(scalar) else { return !isCased(scalar) }
        }
        return true
    }
}

private let capitalSigma: UInt32 = 0x3A3

private func isCased(_ scalar: UInt32) -> Bool { Unicode.Scalar(scalar)?.properties.isCased ?? false }

private func isCaseIgnorable(_ scalar: UInt32) -> Bool {
    Unicode.Scalar(scalar)?.properties.isCaseIgnorable ?? false
}

/// Returns the lowercase mapping, or nil if the character does not change.
private func lowerMapping(_ scalar: UInt32) -> String? {
    // Ranges of scripts without case and of emoji, which cover most non-Latin text.
    if (0x3000...0xA63F).contains(scalar) || (0xAC00...0xFAFF).contains(scalar) || (0x1F000...0x1FFFF).contains(scalar)
    {
        return nil
    }
    if scalar < firstTableEnd { return firstTable[Int(scalar)] }
    return mapping(of: scalar)
}

/// Latin, Greek, Cyrillic, Armenian, Hebrew and Arabic: characters with at most two bytes.
private let firstTableEnd: UInt32 = 0x800
private let firstTable: [String?] = (0..<firstTableEnd).map(mapping(of:))

private func mapping(of scalar: UInt32) -> String? {
    guard let properties = Unicode.Scalar(scalar)?.properties, properties.changesWhenLowercased else { return nil }
    return properties.lowercaseMapping
}
