import Durable
import Foundation
import Kernels
import Testing

@Suite final class MachineProfileTests {
    private let folder: String
    private var path: String { "\(folder)/machine.json" }
    private var measurements = 0
    private var notes: [String] = []

    private static let amd = Processor(
        model: [
            "vendor_id": "AuthenticAMD", "cpu family": "25", "model": "17", "stepping": "1", "model name": "AMD EPYC",
        ],
        instructions: ["avx2", "avx512f", "avx512_bf16", "avx512_vnni"])
    private static let intel = Processor(
        model: ["vendor_id": "GenuineIntel", "cpu family": "6", "model": "207"],
        instructions: ["avx2", "avx512f", "avx512_bf16", "avx512_vnni"])

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "machine-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    /// Returns the profile; every measurement has other rates.
    private func profile(_ processor: Processor, file: String? = nil) -> MachineProfile {
        MachineProfile.current(file: file ?? path, processor: processor) {
            measurements += 1
            return InstructionRates(float32: 1e11 + Double(measurements), bfloat16: 2e11, int8: 4e11)
        } note: {
            notes.append($0)
        }
    }

    @Test func measuresOncePerProcessor() throws {
        let first = profile(Self.amd)
        #expect(profile(Self.amd) == first && measurements == 1)
        let second = profile(Self.intel)
        #expect(second != first && measurements == 2)
        #expect(profile(Self.amd) == first && profile(Self.intel) == second && measurements == 2)
        #expect(notes == [])
    }

    @Test func hiddenInstructionsMakeAnotherProcessor() throws {
        var hidden = Self.amd
        hidden.instructions.removeAll { $0 == "avx512_bf16" }
        _ = profile(Self.amd)
        let other = MachineProfile.current(file: path, processor: hidden) {
            InstructionRates(float32: 1e11, bfloat16: nil, int8: 4e11)
        } note: {
            notes.append($0)
        }
        #expect(other.rates.fastestPrecision == .float32 && notes == [])
    }

    @Test func measuresAgainAfterVersionChanged() throws {
        let rates = InstructionRates(float32: 1e11, bfloat16: 5e10, int8: nil)
        var withoutInt8 = Self.amd
        withoutInt8.instructions.removeAll { $0 == "avx512_vnni" }
        let old = MachineProfile(processor: Self.amd, rates: .init(float32: 1, bfloat16: 1, int8: 1), version: 0)
        let kept = MachineProfile(processor: withoutInt8, rates: rates)
        try MachineProfile.write([old, kept], to: path)
        #expect(profile(Self.amd).version == MachineProfile.currentVersion && measurements == 1)
        #expect(profile(withoutInt8) == kept && measurements == 1)
        #expect(notes == [])
    }

    @Test(arguments: [
        "", "{", "{}", "[1]", "null",
        #"[{"version": 1, "processor": {"model": {}, "instructions": []}, "rates": {"float32": -1}}]"#,
        #"[{"version": 1, "processor": {"model": {}, "instructions": []}, "rates": {"float32": 1, "bfloat16": 9}}]"#,
    ])
    func damagedFileIsReportedAndReplaced(text: String) throws {
        try Durable.write(text, to: path)
        let first = profile(Self.amd)
        #expect(measurements == 1)
        #expect(notes.count == 1 && notes[0].contains(path), "\(notes)")
        #expect(profile(Self.amd) == first && measurements == 1 && notes.count == 1)
    }

    @Test(arguments: [(" ", 1 << 17), ("[", 60_000)])
    func oversizedOrDeeplyNestedFileIsReported(text: String, count: Int) throws {
        try damagedFileIsReportedAndReplaced(text: String(repeating: text, count: count))
    }

    @Test func removesLeftoversOfKilledRun() throws {
        // Names a process that cannot exist: process ids are smaller.
        let leftover = "\(folder)/.machine.json.4194305-1-1.tmp"
        try Durable.write("half", to: leftover)
        _ = profile(Self.amd)
        #expect(!FileManager.default.fileExists(atPath: leftover) && notes == [])
    }

    @Test func reportsThatProfileCannotBeStored() throws {
        let missing = "\(folder)/missing/machine.json"
        _ = profile(Self.amd, file: missing)
        #expect(measurements == 1 && notes.count == 1 && notes[0].contains("\(folder)/missing"), "\(notes)")
    }

    @Test func measuresWithoutFileIfProcessorIsUnknown() {
        _ = profile(Processor(model: [:], instructions: []))
        #expect(measurements == 1 && !FileManager.default.fileExists(atPath: path))
    }

    @Test func dropsOldestProfile() throws {
        for number in 0...MachineProfile.mostProfiles {
            var processor = Self.amd
            processor.model["model"] = "\(number)"
            _ = profile(processor)
        }
        let stored = try JSONDecoder().decode([MachineProfile].self, from: Data(contentsOf: URL(filePath: path)))
        #expect(stored.count == MachineProfile.mostProfiles)
        #expect(stored.first?.processor.model["model"] == "1")
        #expect(notes == [])
    }

    @Test func readsModelOfFirstProcessor() {
        let cpuinfo = """
            processor\t: 0
            vendor_id\t: AuthenticAMD
            cpu family\t: 25
            model\t\t: 17
            model name\t: AMD EPYC: 9
            stepping\t: 1
            cpu MHz\t\t: 2596.098
            power management:

            processor\t: 1
            vendor_id\t: Other
            CPU part\t: 7
            """
        #expect(
            Processor.model(cpuinfo: cpuinfo) == [
                "vendor_id": "AuthenticAMD", "cpu family": "25", "model": "17", "model name": "AMD EPYC: 9",
                "stepping": "1",
            ])
        #expect(Processor.model(cpuinfo: "") == [:])
    }

    @Test func identifiesThisMachine() {
        #expect(!Processor.current.model.isEmpty)
        #expect(Processor.current.instructions.contains("avx512_bf16") == Precision.hasBFloat16)
    }
}
