import Glibc

/// The program that is running.
package enum OwnProgram {
    /// Returns the path of its file.
    package static func path() throws(DurableError) -> String {
        let link = "/proc/self/exe"
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let length = readlink(link, &buffer, buffer.count)
        guard length > 0 else { throw DurableError("readlink", link) }
        return String(decoding: buffer[..<length], as: UTF8.self)
    }

    /// Returns the path of a program in the same folder.
    package static func sibling(_ name: String) throws(DurableError) -> String {
        joinPath(splitPath(try path()).folder, name)
    }

    /// Returns a path that was given as an argument. `CommandLine.arguments` has U+FFFD for bytes that are not UTF-8; the
    /// result has the characters of `RawPath`.
    package static func path(ofArgument argument: String) -> String {
        for index in 1..<max(1, Int(CommandLine.argc)) {
            guard let given = CommandLine.unsafeArgv[index], String(cString: given) == argument else { continue }
            return RawPath.text(UnsafeBufferPointer(start: given, count: strlen(given)).map { UInt8(bitPattern: $0) })
        }
        return argument
    }
}
