import ArgumentParser
import Glibc

/// The command: one program that serves and that speaks to a server.
@main
struct Weir: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "weir",
        abstract: "Event-driven computing for scientific storage.",
        discussion: """
            `weir serve` starts a server that needs no configuration. The other commands speak to it and find its \
            address and key by themselves. `weir help COMMAND` tells more of each.
            """,
        version: WeirVersion.text,
        groupedSubcommands: [
            CommandGroup(
                name: "Server", subcommands: [Serve.self, Status.self, Top.self, Key.self, VersionCommand.self]),
            CommandGroup(
                name: "Resources",
                subcommands: [Apply.self, Get.self, Describe.self, Delete.self, Pause.self, Resume.self]),
            CommandGroup(name: "Events", subcommands: [Publish.self, Tail.self, Replay.self, Decode.self]),
            CommandGroup(name: "Functions", subcommands: [Invoke.self, Activations.self, Logs.self]),
            CommandGroup(name: "Tools", subcommands: [Completions.self, Generate.self]),
        ])

    static func main() async {
        // A reader that goes away (`| head`) is seen as EPIPE at the next write, not as a signal.
        signal(SIGPIPE, SIG_IGN)
        do {
            var command = try parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch let failure as CommandFailure {
            let terminal = Terminal()
            terminal.endProgress()
            terminal.note("weir: \(failure.description)")
            Glibc.exit(failure.status.rawValue)
        } catch {
            exit(withError: error)
        }
    }
}

/// What this build is.
enum WeirVersion {
    static let text = "0.1.0"
}
