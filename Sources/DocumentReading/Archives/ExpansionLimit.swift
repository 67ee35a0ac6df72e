import TextReading

/// Limits what one file may be unpacked to, as a protection against decompression bombs: the total of all levels.
final class ExpansionLimit {
    /// Maximum number of members, including folders and members of archives inside the archive.
    static let mostMembers = 100_000

    private let bytes: Int
    private let options: ReadingOptions
    private var expanded = 0
    private var members = 0

    /// - Parameter bytes: size of the file that was dropped
    init(bytes: Int, options: ReadingOptions) {
        self.bytes = bytes
        self.options = options
    }

    /// Accounts for bytes that were decompressed.
    func add(_ count: Int) throws {
        expanded += count
        guard expanded <= options.maxExpandedBytes else {
            throw FileRejection(
                "expands to more than \(options.maxExpandedBytes) bytes, the limit set by inbox.max_expanded_bytes")
        }
        let (most, overflow) = max(bytes, 1).multipliedReportingOverflow(by: options.maxExpansionRatio)
        guard expanded <= ReadingOptions.ratioFreeBytes || overflow || expanded <= most else {
            throw FileRejection(
                "expands to more than \(options.maxExpansionRatio) times its size, the limit set by "
                    + "inbox.max_expansion_ratio")
        }
    }

    /// Accounts for a member of an archive.
    func addMember() throws {
        members += 1
        guard members <= Self.mostMembers else { throw Self.tooManyMembers }
    }

    static let tooManyMembers = FileRejection(
        "has more than \(mostMembers) members, which is the maximum: split the archive or join the texts")
}

/// Rejects the file that was dropped, even if it is thrown while one of several members is read.
struct FileRejection: Error {
    let rejection: RejectionError

    init(_ reason: String) { rejection = RejectionError(reason) }

    init(_ rejection: RejectionError) { self.rejection = rejection }
}
