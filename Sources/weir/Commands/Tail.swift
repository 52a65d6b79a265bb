import ArgumentParser
import CloudEvents
import Foundation

/// What a command asks of events.
struct EventSelection: ParsableArguments {
    @Option(help: ArgumentHelp("Only this type.", valueName: "type")) var type: String?
    @Option(help: ArgumentHelp("Only subjects (paths) that begin so.", valueName: "prefix")) var subject: String?
    @Option(help: ArgumentHelp("Only events for which this CESQL expression is true.", valueName: "cesql")) var sql:
        String?

    var query: [(String, String?)] { [("type", type), ("subject", subject), ("sql", sql)] }
}

/// `weir tail`: events of a channel as they come.
struct Tail: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the events of a channel as they come.",
        discussion: "With -o json each line is one CloudEvent.")
    @Argument(help: "The channel.") var channel: String
    @Option(help: ArgumentHelp("Where to begin: latest, earliest or a time (RFC 3339).", valueName: "start")) var from =
        "latest"
    @Option(name: [.customShort("l"), .long], help: "End after so many events.") var limit: Int?
    @OptionGroup var selection: EventSelection
    @OptionGroup var options: ServerOptions

    func run() async throws {
        let terminal = Terminal()
        try await APIClient.with(options) { api in
            var shown = 0
            try await api.events(
                Kind.channels.path(channel) + "/tail", [("from", from)] + selection.query
            ) { name, id, data in
                guard name == "event" else {
                    if name == "gap" { terminal.note("weir: \(String(decoding: data, as: UTF8.self))") }
                    return true
                }
                if options.output == .json {
                    terminal.write(bytes: data + [0x0A])
                } else if let event = try? JSONValue(parsing: data) {
                    terminal.line(EventText.line(event, position: id, terminal))
                }
                shown += 1
                return shown != limit
            }
        }
    }
}

/// One event on one line.
enum EventText {
    static func line(_ event: JSONValue, position: String?, _ terminal: Terminal) -> String {
        let time = String((event["time"]?.string ?? "").prefix(23))
        let type = event["type"]?.string ?? ""
        let facts = ["filesize", "pool", "outcome", "owner", "weirdlreason", "weirdlerror"].compactMap { name in
            event[name].map { "\(name)=\($0.string ?? $0.text)" }
        }
        return [
            terminal.paint(time, .dim), position.map { terminal.paint($0, .dim) },
            terminal.paint(type, type.hasSuffix("-failed") ? .red : .green), event["subject"]?.string,
            terminal.paint(facts.joined(separator: " "), .dim),
        ].compactMap { $0 }.joined(separator: " ")
    }
}
