import ArgumentParser
import CloudEvents

/// `weir status`: how the server is.
struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show how the server is.")
    @OptionGroup var options: ServerOptions

    func run() async throws {
        let terminal = Terminal()
        try await APIClient.with(options) { api in
            let status = try await api.get("/v1/status")
            if options.output == .json {
                terminal.line(status.prettyText())
            } else {
                terminal.write(Outline.text(status, terminal))
            }
        }
    }
}

/// `weir version`: of the command and, when one answers, of the server.
struct VersionCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "version", abstract: "Show the versions of the command and of the server.")
    @OptionGroup var options: ServerOptions

    func run() async throws {
        let terminal = Terminal()
        let server = try? await APIClient.with(options) { api in try await api.get("/v1/version") }
        if options.output == .json {
            terminal.line(
                JSONValue.object(["command": .string(WeirVersion.text), "server": server ?? .null]).prettyText())
        } else {
            terminal.line("weir \(WeirVersion.text)")
            terminal.line("server \(server?["version"]?.string ?? "not reached")")
        }
    }
}

/// `weir completions`: the script that makes a shell complete the command.
struct Completions: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the completion script of a shell.",
        discussion: "For bash: `weir completions bash > ~/.local/share/bash-completion/completions/weir`.")

    enum Shell: String, ExpressibleByArgument, CaseIterable { case bash, zsh, fish }
    @Argument(help: "The shell.") var shell: Shell

    func run() throws {
        let shell: CompletionShell =
            switch shell {
            case .bash: .bash
            case .zsh: .zsh
            case .fish: .fish
            }
        Terminal().line(Weir.completionScript(for: shell))
    }
}
