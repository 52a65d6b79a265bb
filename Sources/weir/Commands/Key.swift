import ArgumentParser
import CloudEvents

/// `weir key`: the keys of namespaces.
struct Key: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key", abstract: "Make, list and withdraw the keys of a namespace.",
        discussion: """
            A key opens one namespace: with `wsk`, as AUTH, and with any client that sends it as user and password. \
            Needs the admin key.
            """,
        subcommands: [KeyCreate.self, KeyList.self, KeyDelete.self])
}

/// `weir key create`
struct KeyCreate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make a key of a namespace. It is shown once.")
    @Option(help: "A word on whose it is.") var note: String?
    @OptionGroup var options: ServerOptions

    func run() async throws {
        let terminal = Terminal()
        try await APIClient.with(options) { api in
            let body = note.map { JSONValue.object(["note": .string($0)]) } ?? [:]
            let made = try await api.send("POST", "/v1/keys", json: body)
            terminal.line(options.output == .json ? made.prettyText() : made["auth"]?.string ?? "")
        }
    }
}

/// `weir key list`
struct KeyList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List the keys of a namespace.")
    @OptionGroup var options: ServerOptions

    func run() async throws {
        let terminal = Terminal()
        try await APIClient.with(options) { api in
            let items = try await api.list("/v1/keys")
            if options.output == .json {
                terminal.line(JSONValue.array(items).prettyText())
                return
            }
            var table = Table(["ID", "CREATED", "NOTE"])
            for item in items {
                table.add([
                    item["id"]?.string ?? "", item["created"]?.string ?? "", item["note"]?.string ?? "",
                ])
            }
            if table.isEmpty {
                terminal.note("no keys yet: `weir key create --namespace NAME` makes one")
            } else {
                terminal.write(table.text(terminal))
            }
        }
    }
}

/// `weir key delete`
struct KeyDelete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "delete", abstract: "Withdraw keys of a namespace.")
    @Argument(help: "The ids: what stands before the colon.") var ids: [String]
    @OptionGroup var options: ServerOptions

    func run() async throws {
        let terminal = Terminal()
        try await APIClient.with(options) { api in
            for id in ids {
                _ = try await api.call("DELETE", "/v1/keys/" + APIClient.escape(id))
                if options.output == .table { terminal.line("key \(id) \(terminal.state("deleted"))") }
            }
        }
    }
}
