import Durable
import FoundationEssentials
import Glibc

/// What was measured once for a machine, so that everything that depends on it is decided alike in all its runs.
public struct MachineProfile: Sendable, Codable, Equatable {
    /// The version of the measurement. A change of `InstructionRates.measured` that changes rates needs a new one.
    public static let currentVersion = 1

    public var version: Int
    public var processor: Processor
    public var rates: InstructionRates

    public init(processor: Processor, rates: InstructionRates, version: Int = currentVersion) {
        self.version = version
        self.processor = processor
        self.rates = rates
    }

    /// Returns the profile of this machine from a file; measures it if the file does not have it, and adds it.
    /// - Parameters:
    ///   - path: a JSON array of profiles, one for each CPU that a state directory has been used with; nil always
    ///     measures
    ///   - note: receives messages for the user about a file that cannot be used, one line each
    public static func current(file path: String?, note: (String) -> Void = { _ in }) -> MachineProfile {
        current(file: path, processor: .current, measure: InstructionRates.measured, note: note)
    }

    package static func current(
        file path: String?, processor: Processor, measure: () -> InstructionRates, note: (String) -> Void
    ) -> MachineProfile {
        // Without a model, profiles of different machines could not be told apart.
        guard let path, !processor.model.isEmpty else { return MachineProfile(processor: processor, rates: measure()) }
        var profiles: [MachineProfile] = []
        do {
            profiles = try read(path)
        } catch let error as DurableError where error.errno == ENOENT {
            // The first run on a new state directory.
        } catch {
            note("the rates of this CPU are measured again, because \(path) cannot be used: \(error)")
        }
        if let known = profiles.first(where: { $0.version == currentVersion && $0.processor == processor }) {
            return known
        }
        let profile = MachineProfile(processor: processor, rates: measure())
        profiles.removeAll { $0.processor == processor }
        profiles = profiles.suffix(mostProfiles - 1) + [profile]
        do {
            // Of a run that was killed here.
            try TemporaryName.clearLeftovers(in: splitPath(path).folder)
            try write(profiles, to: path)
        } catch {
            note(
                "the rates of this CPU will be measured again by the next run, because they cannot be stored: \(error)")
        }
        return profile
    }

    /// The number of machines that a file remembers; the oldest is dropped.
    package static let mostProfiles = 16

    private static func read(_ path: String) throws -> [MachineProfile] {
        let json = Data(try Durable.read(path, atMost: 1 << 16))
        let profiles: [MachineProfile]
        do {
            profiles = try JSONDecoder().decode([MachineProfile].self, from: json)
        } catch {
            throw MachineProfileError.damaged("expected a JSON array of profiles")
        }
        for (index, profile) in profiles.enumerated() where !profile.isPlausible {
            throw MachineProfileError.damaged("[\(index)] has rates that were not measured on its CPU")
        }
        return profiles
    }

    package static func write(_ profiles: [MachineProfile], to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try Durable.write(try encoder.encode(profiles), to: path)
    }

    /// Whether the rates can result from a measurement on the processor.
    private var isPlausible: Bool {
        rates.arePlausible && (rates.bfloat16 != nil) == processor.instructions.contains("avx512_bf16")
            && (rates.int8 != nil) == processor.instructions.contains("avx512_vnni")
    }
}

/// Why a file of machine profiles cannot be used.
enum MachineProfileError: Error, CustomStringConvertible {
    case damaged(String)

    var description: String {
        switch self {
        case .damaged(let reason): "it is damaged: \(reason)"
        }
    }
}
