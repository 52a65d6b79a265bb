import ArgumentParser
import CloudEvents
import Foundation
import StorageEvents

/// `weir publish`: puts events into a channel.
struct Publish: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Put events into a channel.",
        discussion: """
            One event by --type and the other options, or many from files or standard input: CloudEvents in JSON, or \
            records of a storage system with --from. It returns when all are durable.
            """)
    @Argument(help: "The channel.") var channel: String
    @Argument(help: "Files with events; - is standard input.", completion: .file()) var files: [String] = []
    @Option(help: ArgumentHelp("The format of the files.", valueName: "format")) var from: InputFormat?
    @Option(help: "The type of the one event.") var type: String?
    @Option(help: "Its subject.") var subject: String?
    @Option(help: "Its source.") var source = "weir:command"
    @Option(help: "Its id; drawn when not given.") var id: String?
    @Option(help: ArgumentHelp("Its data: JSON, or else text.", valueName: "data")) var eventData: String?
    @Option(
        name: [.customShort("a"), .long],
        help: ArgumentHelp("An extension attribute, NAME=VALUE.", valueName: "name=value"))
    var attribute: [String] = []
    @OptionGroup var input: InputOptions
    @OptionGroup var options: ServerOptions

    func run() async throws {
        let terminal = Terminal()
        let outcome = try await APIClient.with(options) { api in
            var outcome = Outcome()
            if let type {
                guard files.isEmpty else { throw ValidationError("give either --type or files") }
                try await send([try event(type)], api, &outcome)
            } else {
                guard !files.isEmpty else { throw ValidationError("give --type, or files (- for standard input)") }
                let reader = InputReader(format: from?.format ?? .cloudEvents, options: input)
                for file in files {
                    try await reader.read(file) { batch in
                        try await send(batch.records, api, &outcome)
                        for failure in batch.failures { terminal.note("\(file): \(failure)") }
                        outcome.failures += batch.failures.count
                        terminal.progress("\(Words.count(outcome.accepted)) events")
                    }
                }
                terminal.endProgress()
            }
            return outcome
        }
        if options.output == .json {
            terminal.line(
                JSONValue.object([
                    "accepted": .integer(outcome.accepted), "duplicates": .integer(outcome.duplicates),
                    "unreadable": .integer(Int64(outcome.failures)),
                ]).text)
        } else {
            let known = outcome.duplicates > 0 ? ", \(Words.count(outcome.duplicates)) were known already" : ""
            terminal.line("\(Words.count(outcome.accepted)) events accepted\(known)")
        }
        if outcome.failures > 0 { throw ExitStatus.partial.code }
    }

    private struct Outcome: Sendable {
        var accepted: Int64 = 0
        var duplicates: Int64 = 0
        var failures = 0
    }

    private func send(_ records: [EventRecord], _ api: APIClient, _ outcome: inout Outcome) async throws {
        for start in stride(from: 0, to: records.count, by: 500) {
            var body: [UInt8] = []
            JSONEventFormat.encodeBatch(records[start..<min(start + 500, records.count)], into: &body)
            let answer = try await api.call(
                "POST", Kind.channels.path(channel) + "/events",
                headers: [("Content-Type", JSONEventFormat.batchMediaType)], body: body
            ).json()
            outcome.accepted += answer["accepted"]?.integer ?? 0
            outcome.duplicates += answer["duplicates"]?.integer ?? 0
        }
    }

    private func event(_ type: String) throws -> EventRecord {
        var event = CloudEvent(
            id: id ?? UUID().uuidString.lowercased(), source: source, type: type, subject: subject,
            time: EventTime(nanoseconds: Int64(Date().timeIntervalSince1970 * 1000) * 1_000_000))
        for one in attribute {
            guard let equals = one.firstIndex(of: "=") else { throw ValidationError("\"\(one)\" is not NAME=VALUE") }
            event[String(one[..<equals])] = .string(String(one[one.index(after: equals)...]))
        }
        if let eventData {
            if (try? JSONValue(parsing: eventData)) != nil {
                event.data = .json(Array(eventData.utf8))
            } else {
                event.datacontenttype = "text/plain"
                event.data = .bytes(Array(eventData.utf8))
            }
        }
        do {
            try event.validate()
        } catch {
            throw CommandFailure(.invalid, error.description)
        }
        return EventRecord(event)
    }
}
