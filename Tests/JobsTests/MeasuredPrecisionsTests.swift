import Foundation
import Jobs
import Testing

@Suite struct MeasuredPrecisionsTests {
    private func inDirectory(_ body: (String) throws -> Void) throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "precisions-\(UUID())").path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try body(directory)
    }

    @Test func fileIsReadAsWritten() throws {
        try inDirectory { directory in
            #expect(MeasuredPrecisions.read(directory: directory) == nil)
            for measured in [
                MeasuredPrecisions(float32: 1.25, bfloat16: 1.5, int8: nil),
                MeasuredPrecisions(float32: 2, bfloat16: nil, int8: 2.5),
            ] {
                try measured.write(directory: directory)
                #expect(MeasuredPrecisions.read(directory: directory) == measured)
            }
        }
    }

    /// Such a generation counts as not measured, and is measured again when it is evaluated.
    @Test(arguments: ["", "{}", #"{"float32": 0}"#, #"{"float32": -1, "int8": -1}"#, #"{"float32": 1, "int8": 0}"#])
    func implausibleFileIsIgnored(json: String) throws {
        try inDirectory { directory in
            try Data(json.utf8).write(to: URL(filePath: "\(directory)/\(MeasuredPrecisions.fileName)"))
            #expect(MeasuredPrecisions.read(directory: directory) == nil)
        }
    }
}
