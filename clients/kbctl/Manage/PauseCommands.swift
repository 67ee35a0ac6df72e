import ArgumentParser
import Interface
import Varlink

struct Pause: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Pause training until it is resumed.",
        discussion: """
            Without a name, the training of all models is paused. A run in progress writes a checkpoint and stops; it \
            goes on from there. Files in the inbox are admitted, and models answer, as before. A restart of the service \
            does not end the pause; kbctl resume and kbctl train do.
            """)

    @Argument(help: "The model.", completion: .models) var model: String?

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let reply = try global.connect().call(ManagerInterface.Pause.self, .init(model: model))
        if global.json { return try Terminal.json(reply) }
        let resume = "‘kbctl resume\(model.map { " \($0)" } ?? "")’ continues it"
        guard !reply.models.isEmpty else { return Terminal.paragraph("training was paused before; \(resume)") }
        let run = reply.run.map { "; \($0) writes a checkpoint and stops" } ?? ""
        Terminal.paragraph("the training of \(reply.models.joined(separator: ", ")) is paused\(run); \(resume)")
    }
}

struct Resume: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Continue training that was paused.",
        discussion: "Without a name, the training of all models is continued.")

    @Argument(help: "The model.", completion: .models) var model: String?

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let client = try global.connect()
        let reply = try client.call(ManagerInterface.Resume.self, .init(model: model))
        if global.json { return try Terminal.json(reply) }
        guard !reply.models.isEmpty else {
            return Terminal.paragraph(model.map { "the training of \($0) is not paused" } ?? "no training is paused")
        }
        Terminal.paragraph("the training of \(reply.models.joined(separator: ", ")) is resumed")
        let status = try client.call(ManagerInterface.GetStatus.self, .init())
        for model in status.models where reply.models.contains(model.name) {
            if let reason = model.reason { Terminal.paragraph("\(model.name): \(reason)") }
        }
    }
}
