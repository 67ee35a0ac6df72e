import ArgumentParser
import Interface
import Varlink

struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the tensors of a model, or show the values of one.",
        discussion: "Shows the serving generation, with Hugging Face's names in Hugging Face's order.")

    @Argument(help: ArgumentHelp("The model.", valueName: "model"), completion: .models) var name: String
    @Option(help: ArgumentHelp("Show statistics and corner values of this tensor.", valueName: "tensor")) var values:
        String?

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let client = try global.connect()
        if let values {
            let reply = try client.call(ManagerInterface.DescribeTensor.self, .init(model: name, name: values))
            if global.json { return try Terminal.json(reply) }
            return show(reply, of: values)
        }
        let reply = try client.call(ManagerInterface.Describe.self, .init(model: name))
        if global.json { return try Terminal.json(reply) }
        var table = Table([("TENSOR", .left), ("SHAPE", .left), ("COUNT", .right)], keepsEnds: true)
        for parameter in reply.parameters {
            table.add([parameter.name, Self.shape(parameter.shape), Format.count(parameter.count)])
        }
        table.add(["\(reply.parameters.count) tensors", "", Format.count(reply.total)])
        table.print()
    }

    private static func shape(_ shape: [Int]) -> String { shape.map(String.init).joined(separator: " × ") }

    private func show(_ tensor: ManagerInterface.DescribeTensor.Reply, of name: String) {
        let facts = [
            ("shape", Self.shape(tensor.shape)), ("type", tensor.type), ("mean", Self.value(tensor.mean)),
            ("standard deviation", Self.value(tensor.standardDeviation)), ("minimum", Self.value(tensor.minimum)),
            ("maximum", Self.value(tensor.maximum)), ("zeros", Format.count(tensor.zeros)),
            ("not finite", Format.count(tensor.notFinite)),
        ]
        Terminal.line(Style.bold(name.cutInFront(to: Terminal.columns ?? .max)))
        for (name, text) in facts { Terminal.line("\(name.padded(to: 18)) \(text)") }
        Terminal.line("")
        let rows = Self.distinct(tensor.values.map(\.row))
        let columns = Self.distinct(tensor.values.map(\.column))
        let values = Dictionary(
            tensor.values.map { ([$0.row, $0.column], $0.value.map(Self.value) ?? "not finite") },
            uniquingKeysWith: { first, _ in first })
        // The service sends the corners only: a gap in the row or column numbers is shown as an ellipsis.
        var headings: [(String, Table.Alignment)] = [("", .right)]
        for (index, column) in columns.enumerated() {
            if index > 0, column > columns[index - 1] + 1 { headings.append(("…", .left)) }
            headings.append(("\(column)", .right))
        }
        var table = Table(headings)
        for (index, row) in rows.enumerated() {
            if index > 0, row > rows[index - 1] + 1 { table.add(["⋮"] + headings.dropFirst().map { _ in "" }) }
            var cells = ["\(row)"]
            for (place, column) in columns.enumerated() {
                if place > 0, column > columns[place - 1] + 1 { cells.append("…") }
                cells.append(values[[row, column]] ?? "")
            }
            table.add(cells)
        }
        table.print()
    }

    private static func distinct(_ numbers: [Int]) -> [Int] { Set(numbers).sorted() }

    private static func value(_ value: Double) -> String {
        value != 0 && value.magnitude < 1e-3 ? Format.scientific(value) : Format.number(value, 5)
    }
}
