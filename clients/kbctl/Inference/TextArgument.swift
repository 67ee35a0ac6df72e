import ArgumentParser
import FoundationEssentials
import Glibc

/// A text given as an argument, or read from standard input if the argument is `-`.
struct TextArgument: ExpressibleByArgument {
    private let argument: String

    /// Larger than any request that a service accepts.
    private static let mostBytes = 64 << 20

    init(argument: String) { self.argument = argument }

    /// Returns the text without the line end that `echo` and editors append.
    ///
    /// Call this before connecting: standard input may take longer than a connection may be idle.
    /// - Throws: `Failure` if standard input cannot be read, is too long, or is not UTF-8
    var value: String {
        get throws {
            guard argument == "-" else { return argument }
            guard let text = String(validating: try TextArgument.standardInput(), as: UTF8.self) else {
                throw Failure("standard input is not UTF-8", status: EX_DATAERR)
            }
            return text.hasSuffix("\r\n") || text.hasSuffix("\n") ? String(text.dropLast()) : text
        }
    }

    private static func standardInput() throws -> [UInt8] {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = read(STDIN_FILENO, &piece, piece.count)
            if count == 0 { return bytes }
            if count > 0 {
                bytes += piece.prefix(count)
                guard bytes.count <= mostBytes else {
                    throw Failure(
                        "standard input is longer than 64 MiB, the largest possible request", status: EX_DATAERR)
                }
            } else if errno != EINTR {
                throw Failure("standard input cannot be read: \(String(cString: strerror(errno)))", status: EX_IOERR)
            }
        }
    }
}
