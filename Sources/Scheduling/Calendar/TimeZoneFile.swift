import Durable
import Glibc

extension TimeZoneRules {
    private static let folder = "/usr/share/zoneinfo"

    /// Returns a time zone of the system's database, such as `Europe/Berlin`, or nil if there is none of this name.
    package static func named(_ name: String) -> TimeZoneRules? {
        if name == "UTC" { return utc }
        guard !name.isEmpty, !name.hasPrefix("/"), !name.hasSuffix("/"), !name.contains("//"),
            name.utf8.allSatisfy({
                (0x30...0x39).contains($0) || (0x41...0x5a).contains($0 & ~0x20)
                    || [0x2d, 0x5f, 0x2b, 0x2f].contains($0)
            })
        else { return nil }
        return file("\(folder)/\(name)", name: name)
    }

    package static func local() -> TimeZoneRules { local(variable: getenv("TZ").map { String(cString: $0) }) }

    /// Returns the local time zone as the C library determines it: from `TZ`, else from `/etc/localtime`, else UTC.
    /// - Parameter variable: the value of `TZ`; nil if it is not set
    package static func local(variable: String?) -> TimeZoneRules {
        guard let variable else { return file("/etc/localtime", name: "") ?? utc }
        let text = variable.hasPrefix(":") ? String(variable.dropFirst()) : variable
        if text.hasPrefix("/") { return file(text, name: "") ?? utc }
        if let zone = named(text) { return zone }
        guard let rule = PosixTimeZone(text) else { return utc }
        return TimeZoneRules(name: "", earliestOffset: 0, changes: [], rule: rule)
    }

    private static func file(_ path: String, name: String) -> TimeZoneRules? {
        (try? Durable.read(path)).flatMap { TimeZoneRules(name: name, file: $0) }
    }

    /// Parses the content of a `tzfile(5)`. Returns nil if it is not valid.
    package init?(name: String, file: some Collection<UInt8>) {
        var reader = Reader(bytes: Array(file))
        guard var header = reader.header() else { return nil }
        var timeBytes = 4
        if header.version >= 2 {
            // Version 2 repeats the data with 64-bit times.
            guard reader.skip(header.bodyBytes(timeBytes: 4)), let second = reader.header() else { return nil }
            (header, timeBytes) = (second, 8)
        }
        guard header.types > 0, reader.remaining >= header.bodyBytes(timeBytes: timeBytes) else { return nil }
        let times = (0..<header.times).map { _ in reader.integer(timeBytes) }
        let types = (0..<header.times).map { _ in reader.integer(1) & 0xff }
        let offsets = (0..<header.types).map { _ in
            let offset = reader.integer(4)
            _ = reader.skip(2)
            return offset
        }
        guard types.allSatisfy(offsets.indices.contains), zip(times, times.dropFirst()).allSatisfy(<),
            reader.skip(header.bytesAfterTypes(timeBytes: timeBytes))
        else { return nil }
        self.name = name
        earliestOffset = offsets[0]
        changes = zip(times, types).map { Change(time: $0, offset: offsets[$1]) }
        rule = header.version >= 2 ? reader.footer().flatMap { PosixTimeZone($0) } : nil
    }

    private struct Header {
        var version: Int
        var universalIndicators, standardIndicators, leapSeconds, times, types, characters: Int

        func bytesAfterTypes(timeBytes: Int) -> Int {
            characters + leapSeconds * (timeBytes + 4) + standardIndicators + universalIndicators
        }

        func bodyBytes(timeBytes: Int) -> Int {
            times * (timeBytes + 1) + types * 6 + bytesAfterTypes(timeBytes: timeBytes)
        }
    }

    private struct Reader {
        let bytes: [UInt8]
        var place = 0

        init(bytes: [UInt8]) { self.bytes = bytes }

        var remaining: Int { bytes.count - place }

        mutating func skip(_ count: Int) -> Bool {
            guard count >= 0, count <= remaining else { return false }
            place += count
            return true
        }

        /// Reads a big-endian integer in two's complement. The caller has checked that it is there.
        mutating func integer(_ count: Int) -> Int {
            var value = Int(Int8(bitPattern: bytes[place]))
            for byte in bytes[(place + 1)..<(place + count)] { value = value << 8 | Int(byte) }
            place += count
            return value
        }

        mutating func header() -> Header? {
            guard remaining >= 44, bytes[place..<(place + 4)].elementsEqual("TZif".utf8) else { return nil }
            let version = bytes[place + 4] == 0 ? 1 : Int(bytes[place + 4]) - 0x30
            place += 20
            let counts = (0..<6).map { _ in integer(4) }
            guard counts.allSatisfy({ $0 >= 0 }) else { return nil }
            return Header(
                version: version, universalIndicators: counts[0], standardIndicators: counts[1],
                leapSeconds: counts[2], times: counts[3], types: counts[4], characters: counts[5])
        }

        /// Reads the rule for times after the last change, which stands between two line feeds.
        mutating func footer() -> String? {
            guard remaining >= 2, bytes[place] == 0x0a, let end = bytes[(place + 1)...].firstIndex(of: 0x0a) else {
                return nil
            }
            return String(decoding: bytes[(place + 1)..<end], as: UTF8.self)
        }
    }
}
