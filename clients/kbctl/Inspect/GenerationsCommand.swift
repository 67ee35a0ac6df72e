import ArgumentParser
import Interface
import Varlink

struct Generations: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the generations of a model, newest first.",
        discussion: """
            A new generation is promoted unless it is worse than the serving one. GATE is its bits per byte on \
            held-out text; AGAINST is the result of the then serving generation on the same text, with its number. \
            WEIGHTS is the precision that it serves in, or would. The reason why a generation was not promoted, and why \
            the serving one has its precision, are printed below the table.
            """)

    @Argument(help: ArgumentHelp("The model.", valueName: "model"), completion: .models) var name: String

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let client = try global.connect()
        var table = Table(
            [
                ("NUMBER", .right), ("STATE", .left), ("GATE", .right), ("AGAINST", .right), ("BITS/BYTE", .right),
                ("HELD OUT", .right), ("WEIGHTS", .left), ("CREATED", .left), ("RUN", .left), ("SHA-256", .left),
            ], elastic: [9], spare: [9, 8, 5, 7, 6, 4], names: [8])
        var isFirst = true
        var hasWaiting = false
        try client.pages(ManagerInterface.ListGenerations.self, .init(model: name)) { reply in
            defer { isFirst = false }
            if global.json {
                try Terminal.json(reply)
                return true
            }
            guard !reply.generations.isEmpty else {
                if isFirst {
                    Terminal.paragraph("\(name) has no generation yet; ‘kbctl models’ shows why")
                }
                return true
            }
            for generation in reply.generations { add(generation, to: &table) }
            table.printPage()
            let notes = reply.generations.compactMap(note)
            if !notes.isEmpty { Terminal.line("") }
            for note in notes { Terminal.paragraph(note) }
            hasWaiting = hasWaiting || reply.generations.contains { [.rejected, .candidate].contains($0.state) }
            return true
        }
        if hasWaiting {
            Terminal.paragraph("‘kbctl promote \(name) NUMBER’ promotes one anyway", lead: "→ ", indent: 2)
        }
    }

    private func add(_ generation: ManagerInterface.Generation, to table: inout Table) {
        table.add(
            [
                "\(generation.number)", generation.state.rawValue, Format.number(generation.judgedBitsPerByte, 3),
                Self.incumbent(generation), Format.number(generation.bitsPerByte, 3),
                Format.number(generation.evaluationLoss, 4), generation.precision ?? "",
                Format.relative(generation.created), generation.run, generation.modelSha256,
            ], style: Self.style(generation.state))
    }

    /// Formats the incumbent's bits per byte and number, such as `1.931 (3)`.
    private static func incumbent(_ generation: ManagerInterface.Generation) -> String {
        let number = generation.incumbent.map { " (\($0))" } ?? ""
        return Format.number(generation.incumbentBitsPerByte, 3) + number
    }

    private static func style(_ state: ManagerInterface.Generation.State) -> Style? {
        switch state {
        case .serving: .green
        case .rejected: .red
        case .candidate: .yellow
        case .retired: .dim
        }
    }

    /// Returns why a generation does not serve, or why the one that serves has its precision.
    private func note(_ generation: ManagerInterface.Generation) -> String? {
        let number = generation.number
        switch generation.state {
        case .rejected: return "\(number) is rejected: \(generation.reason ?? "no reason was recorded")"
        case .candidate: return "\(number) is a candidate: \(generation.reason ?? "it has not been evaluated yet")"
        case .serving:
            guard let precision = generation.precision, let reason = generation.precisionReason else { return nil }
            return "\(number) serves with weights in \(precision): \(reason)"
        case .retired: return nil
        }
    }
}
