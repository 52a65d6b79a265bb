import ArgumentParser
import CloudEvents
import Foundation

/// `weir activations`: what ran, newest first; one by id, whole.
struct Activations: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List what ran, newest first, or show one run.")
    @Argument(help: "One activation by its id.") var id: String?
    @Option(help: "Only of this function.") var function: String?
    @Option(help: "Only of this subscription.") var subscription: String?
    @Option(
        help: "Only with this status: success, \"application error\", \"developer error\", \"staging error\", timeout.")
    var status: String?
    @Option(help: ArgumentHelp("Only since this time (RFC 3339).", valueName: "time")) var since: String?
    @Option(help: ArgumentHelp("Only until this time (RFC 3339).", valueName: "time")) var until: String?
    @Option(name: [.customShort("l"), .long], help: "At most so many.") var limit = 30
    @OptionGroup var options: ServerOptions

    func run() async throws {
        let terminal = Terminal()
        try await APIClient.with(options) { api in
            if let id {
                let activation = try await api.get("/v1/activations/\(APIClient.escape(id))")
                if options.output == .json {
                    terminal.line(activation.prettyText())
                } else {
                    ActivationText.write(activation, terminal)
                }
                return
            }
            let items = try await api.list(
                "/v1/activations",
                [
                    ("function", function), ("subscription", subscription), ("status", status), ("since", since),
                    ("until", until),
                ], limit: limit)
            if options.output == .json {
                terminal.line(JSONValue.array(items).prettyText())
                return
            }
            var table = Table(
                ["STARTED", "ACTIVATION", "FUNCTION", "STATUS", "DURATION", "START", "CAUSE"], numeric: [4])
            for item in items { table.add(ActivationText.row(item)) }
            terminal.write(table.text(terminal))
        }
    }
}

/// Activations as text.
enum ActivationText {
    static func row(_ item: JSONValue) -> [String] {
        let cause = item["cause"]
        return [
            item["start"]?.string.map(Words.time) ?? "",
            item["id"]?.string ?? "", item["function"]?.string ?? "", item["status"]?.string ?? "",
            Words.duration(milliseconds: item["duration"]?.double ?? 0),
            item["init"]?.integer.map { "\(item["coldStart"]?["way"]?.string ?? "cold") \($0) ms" } ?? "warm",
            cause?["subscription"]?.string.map { "\($0) \(cause?["event"]?.string ?? "")" } ?? "invoked",
        ]
    }

    static func write(_ activation: JSONValue, _ terminal: Terminal) {
        let status = activation["status"]?.string ?? "?"
        let duration = Words.duration(milliseconds: activation["duration"]?.double ?? 0)
        terminal.line(
            "\(activation["function"]?.string ?? "")  \(terminal.state(status))  \(duration)  "
                + terminal.paint(
                    "activation \(activation["id"]?.string ?? "") · isolation level "
                        + "\(activation["isolation"]?.integer ?? 0)", .dim))
        if let result = activation["result"], result != .null { terminal.line(result.prettyText()) }
        for (members, mark) in [(activation["inputs"], "in "), (activation["outputs"], "out")] {
            for file in members?.array ?? [] { terminal.line(terminal.paint(mark, .dim) + " " + name(of: file)) }
        }
        for line in activation["logs"]?.array ?? [] {
            LogText.write(line, terminal)
        }
        if activation["logsTruncated"]?.bool == true { LogText.writeTruncated(terminal) }
    }
}

extension ActivationText {
    /// A file that a run was given or has made.
    fileprivate static func name(of file: JSONValue) -> String {
        let mount = file["mount"]?.string.map { $0 + ":" } ?? ""
        let earlier = file["earlier"]?.bool == true ? ", of an earlier delivery" : ""
        return "\(mount)\(file["path"]?.string ?? "")  \(file["size"]?.integer ?? 0) bytes\(earlier)"
    }
}

/// Log lines as text.
enum LogText {
    static func writeTruncated(_ terminal: Terminal) {
        terminal.line(terminal.paint("… the log limit was reached", .yellow))
    }

    static func write(_ line: JSONValue, _ terminal: Terminal, prefix: String = "") {
        let time = line["time"]?.string.map(Words.time) ?? ""
        let text = line["text"]?.string ?? ""
        let isError = line["stream"]?.string == "stderr"
        terminal.line(
            terminal.paint(time, .dim) + " " + (prefix.isEmpty ? "" : terminal.paint(prefix, .blue) + " ")
                + (isError ? terminal.paint(text, .red) : text))
    }
}

/// `weir logs`: what functions wrote; of one activation, or of everything as it comes.
struct Logs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show what functions wrote.")
    @Argument(help: "One activation by its id.") var id: String?
    @Option(help: "Only of this function.") var function: String?
    @Flag(name: [.customShort("f"), .long], help: "Go on with new lines as they come.") var follow = false
    @Option(name: [.customShort("l"), .long], help: "At most the logs of so many past runs.") var limit = 20
    @OptionGroup var options: ServerOptions

    func run() async throws {
        let terminal = Terminal()
        try await APIClient.with(options) { api in
            if let id {
                let logs = try await api.get("/v1/activations/\(APIClient.escape(id))/logs")
                if options.output == .json {
                    terminal.line(logs.prettyText())
                } else {
                    for line in logs["items"]?.array ?? [] { LogText.write(line, terminal) }
                    if logs["truncated"]?.bool == true { LogText.writeTruncated(terminal) }
                }
                return
            }
            let past = try await api.list("/v1/activations", [("function", function)], limit: limit)
            for item in past.reversed() {
                guard let id = item["id"]?.string else { continue }
                let activation = try await api.get("/v1/activations/\(id)")
                for line in activation["logs"]?.array ?? [] {
                    show(line, function: activation["function"]?.string, terminal)
                }
            }
            guard follow else { return }
            try await api.events("/v1/logs", [("function", function), ("follow", "true")]) { _, _, data in
                if let line = try? JSONValue(parsing: data) { show(line, function: line["function"]?.string, terminal) }
                return true
            }
        }
    }

    private func show(_ line: JSONValue, function: String?, _ terminal: Terminal) {
        if options.output == .json {
            terminal.line(line.text)
        } else {
            LogText.write(line, terminal, prefix: function ?? "")
        }
    }
}
