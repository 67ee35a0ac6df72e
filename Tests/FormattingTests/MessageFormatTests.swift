import Formatting
import Testing

struct MessageFormatTests {
    @Test(
        arguments: [
            (0, "0 s"), (-1, "0 s"), (.nan, "0 s"), (.infinity, "0 s"), (0.2, "1 s"), (1.4, "1 s"), (59.4, "59 s"),
            (59.6, "1 min"), (90, "1 min"), (3599, "59 min"), (3600, "1 h 00 min"), (7500, "2 h 05 min"),
            (86_399, "23 h 59 min"), (86_400, "1 d 0 h"), (187_200, "2 d 4 h"),
        ] as [(Double, String)])
    func formatsDurations(seconds: Double, text: String) { #expect(MessageFormat.duration(seconds) == text) }

    @Test(arguments: [
        (0, "0 bytes"), (1, "1 byte"), (999, "999 bytes"), (1000, "1.0 kB"), (999_949, "999.9 kB"), (999_950, "1.0 MB"),
        (1_800_000, "1.8 MB"), (4 << 30, "4.3 GB"), (2_000_000_000_000, "2.0 TB"),
    ])
    func formatsByteCounts(bytes: Int, text: String) { #expect(MessageFormat.bytes(bytes) == text) }

    @Test(arguments: [(0, "0"), (999, "999"), (9998, "9,998"), (-1234, "-1,234"), (83_504_416, "83,504,416")])
    func groupsDigits(value: Int, text: String) { #expect(MessageFormat.count(value) == text) }

    @Test(arguments: [(0, "0 units"), (1, "1 unit"), (2, "2 units"), (9998, "9,998 units")])
    func countsNouns(value: Int, text: String) { #expect(MessageFormat.count(value, "unit") == text) }
}
