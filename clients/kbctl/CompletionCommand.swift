import ArgumentParser
import Interface

struct Completion: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print a completion script for a shell.",
        discussion: """
            bash: kbctl completion bash > /etc/bash_completion.d/kbctl
            zsh:  kbctl completion zsh > /usr/local/share/zsh/site-functions/_kbctl
            fish: kbctl completion fish > ~/.config/fish/completions/kbctl.fish
            """)

    @Argument(help: "bash, zsh or fish.", completion: .list(["bash", "zsh", "fish"])) var shell: Shell

    enum Shell: String, ExpressibleByArgument, CaseIterable {
        case bash, zsh, fish
    }

    func run() {
        let shell: CompletionShell =
            switch shell {
            case .bash: .bash
            case .zsh: .zsh
            case .fish: .fish
            }
        Terminal.line(Kbctl.completionScript(for: shell))
    }
}
