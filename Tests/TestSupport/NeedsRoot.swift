import Glibc
import Testing

/// Skips a test unless it is run by root.
///
/// The names of these tests end in `AsRoot`, so that `.ci/run`, which runs the others as an ordinary user, finds them.
public struct NeedsRoot: TestTrait {
    struct WrongName: Error, CustomStringConvertible {
        var description: String { "the name of a test that needs root ends in AsRoot" }
    }

    public func prepare(for test: Test) async throws {
        guard test.name.split(separator: "(").first?.hasSuffix("AsRoot") == true else { throw WrongName() }
        try await ConditionTrait.enabled(if: geteuid() == 0, "needs root").prepare(for: test)
    }
}

extension Trait where Self == NeedsRoot {
    public static var needsRoot: Self { NeedsRoot() }
}
