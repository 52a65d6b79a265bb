import ArgumentParser
import CloudEvents
import Glibc

/// The kinds of resource, in the spellings that people type.
enum Kind: String, CaseIterable, ExpressibleByArgument {
    case channels, sources, subscriptions, functions, packages, apis

    init?(argument: String) {
        switch argument.lowercased() {
        case "channels", "channel", "ch": self = .channels
        case "sources", "source", "src": self = .sources
        case "subscriptions", "subscription", "sub", "subs": self = .subscriptions
        case "functions", "function", "fn": self = .functions
        case "packages", "package", "pkg": self = .packages
        case "apis", "api": self = .apis
        default: return nil
        }
    }

    static var allValueStrings: [String] { allCases.map(\.rawValue) }
    var singular: String { String(rawValue.dropLast()) }

    func path(_ name: String? = nil) -> String {
        // An API is named by its base path, whose slashes are part of the name.
        "/v1/\(rawValue)" + (name.map { "/" + (self == .apis ? APIClient.escape($0) : APIClient.path($0)) } ?? "")
    }
}

/// `weir get`: lists resources, or shows one as JSON.
struct Get: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List resources, with their state.")
    @Argument(
        help: "What: channels, sources, subscriptions, functions, packages or apis.",
        completion: .list(Kind.allValueStrings))
    var kind: Kind
    @Argument(help: "One of them by name.") var name: String?
    @OptionGroup var options: ServerOptions

    func run() async throws {
        let terminal = Terminal()
        try await APIClient.with(options) { api in
            let items = try await name == nil ? api.list(kind.path()) : [api.get(kind.path(name))]
            if options.output == .json {
                terminal.line(name == nil ? JSONValue.array(items).prettyText() : items[0].prettyText())
                return
            }
            let table = ResourceTable.table(kind, items)
            if table.isEmpty {
                terminal.note("no \(kind.rawValue) yet: `weir apply -f weir.yaml` makes some")
            } else {
                terminal.write(table.text(terminal))
            }
        }
    }
}

/// `weir describe`: everything about one resource, for reading.
struct Describe: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show one resource whole: specification and state.")
    @Argument(help: "What: channel, source, subscription or function.", completion: .list(Kind.allValueStrings))
    var kind: Kind
    @Argument(help: "Its name.") var name: String
    @OptionGroup var options: ServerOptions

    func run() async throws {
        let terminal = Terminal()
        try await APIClient.with(options) { api in
            let resource = try await api.get(kind.path(name))
            if options.output == .json {
                terminal.line(resource.prettyText())
            } else {
                terminal.write(Outline.text(resource, terminal))
            }
        }
    }
}

/// `weir delete`.
struct Delete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Delete a resource. A channel's events go with it.")
    @Argument(help: "What: channel, source, subscription or function.", completion: .list(Kind.allValueStrings))
    var kind: Kind
    @Argument(help: "Their names.") var names: [String]
    @Flag(help: "No error when it is not there.") var ignoreMissing = false
    @OptionGroup var options: ServerOptions

    func run() async throws {
        let terminal = Terminal()
        guard !names.isEmpty else { throw ValidationError("name at least one \(kind.singular)") }
        try await APIClient.with(options) { api in
            for name in names {
                do {
                    _ = try await api.call("DELETE", kind.path(name))
                } catch let failure as CommandFailure where failure.status == .notFound && ignoreMissing {
                    continue
                }
                if options.output == .table { terminal.line("\(kind.singular) \(name) \(terminal.state("deleted"))") }
            }
        }
    }
}

/// `weir pause`: a subscription stops delivering and keeps its place.
struct Pause: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Pause a subscription; it keeps its place.")
    @Argument(help: "The subscription.") var name: String
    @OptionGroup var options: ServerOptions

    func run() async throws { try await setPaused(name, "pause", "paused", options) }
}

/// `weir resume`.
struct Resume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Resume a paused subscription where it stopped.")
    @Argument(help: "The subscription.") var name: String
    @OptionGroup var options: ServerOptions

    func run() async throws { try await setPaused(name, "resume", "running", options) }
}

private func setPaused(_ name: String, _ verb: String, _ word: String, _ options: ServerOptions) async throws {
    let terminal = Terminal()
    try await APIClient.with(options) { api in
        let answer = try await api.call("POST", Kind.subscriptions.path(name) + "/\(verb)").json()
        terminal.line(
            options.output == .json ? answer.prettyText() : "subscription \(name) \(terminal.state(word))")
    }
}
