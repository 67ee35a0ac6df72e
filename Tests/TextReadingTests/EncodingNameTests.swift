import Testing
import TextReading

@Suite struct EncodingNameTests {
    @Test(arguments: [
        ("utf16le", "UTF-16LE", 2), ("UTF-16-LE", "UTF-16LE", 2), ("unicodelittle", "UTF-16LE", 2),
        ("UNICODEBIG", "UTF-16BE", 2), ("ucs2", "UTF-16", 2), ("utf32be", "UTF-32BE", 4), ("ucs-4", "UTF-32", 4),
        ("utf8", "UTF-8", 1), ("cp737", "IBM737", 1), ("ibm737", "IBM737", 1), ("latin1", "windows-1252", 1),
    ])
    func knowsSpellings(label: String, name: String, unitBytes: Int) throws {
        let encoding = try #require(EncodingName(label))
        #expect(encoding.name == name)
        #expect(encoding.unitBytes == unitBytes)
    }

    @Test(arguments: ["", "nonsense", "UTF-8//IGNORE", "internal"])
    func rejectsOtherNames(label: String) { #expect(EncodingName(label) == nil) }
}
