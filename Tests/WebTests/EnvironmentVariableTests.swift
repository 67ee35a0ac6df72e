import Foundation
import Testing
import WebClient

/// Each test uses a variable of its own, because the environment belongs to the process.
struct EnvironmentVariableTests {
    private static func variable(_ value: String?) -> String {
        let name = "KANTAIBERT_TEST_\(UUID().uuidString.filter { $0 != "-" })"
        if let value { setenv(name, value, 1) }
        return name
    }

    @Test(arguments: ["1g", "1024 MB", "0", "-1", "257", "1e2", "99999999999999999999", "٣"])
    func malformedNumberIsRefused(value: String) {
        let name = Self.variable(value)
        let error = #expect(throws: InvalidVariable.self) { try EnvironmentVariable.integer(name, in: 1...256) }
        #expect(error?.found == value)
        #expect(
            error?.description
                == "\(name): expected a whole number from 1 to 256, found ‘\(value)’; correct or unset the variable")
    }

    @Test func numberInRangeIsRead() throws {
        #expect(try EnvironmentVariable.integer(Self.variable("256"), in: 1...256) == 256)
        #expect(try EnvironmentVariable.integer(Self.variable(""), in: 1...256) == nil)
        #expect(try EnvironmentVariable.integer(Self.variable(nil), in: 1...256) == nil)
    }
}
