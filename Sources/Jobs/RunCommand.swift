/// What the service says to a run: one word a line on its standard input. The end of the file means
/// "checkpoint and leave".
public enum RunCommand: String, Sendable, CaseIterable {
    case pause, resume, checkpoint
}
