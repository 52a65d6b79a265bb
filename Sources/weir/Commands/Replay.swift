import ArgumentParser
import CloudEvents
import Foundation
import NIOCore

/// `weir replay`: runs a subscription over past events.
struct Replay: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a subscription over past events.",
        discussion: """
            The subscription's own progress is not touched. --dry-run delivers nothing: it counts what would match, \
            shows samples and estimates the cost from the function's recent runs.
            """)
    @Argument(help: "The subscription.") var subscription: String
    @Option(help: ArgumentHelp("From: earliest or a time (RFC 3339).", valueName: "start")) var from = "earliest"
    @Option(help: ArgumentHelp("To: latest or a time (RFC 3339).", valueName: "end")) var to = "latest"
    @Option(help: ArgumentHelp("Deliver here instead: function:NAME, channel:NAME or a URL.", valueName: "sink"))
    var sink: String?
    @Flag(name: .long, help: "Only say what would happen.") var dryRun = false
    @Flag(name: .long, help: "Do not wait for the end.") var noWait = false
    @OptionGroup var options: ServerOptions

    func run() async throws {
        let terminal = Terminal()
        try await APIClient.with(options) { api in
            var request: JSONObject = ["from": .string(from), "to": .string(to), "dryRun": .bool(dryRun)]
            request["sink"] = sink.map { .string($0) }
            var answer = try await api.send(
                "POST", Kind.subscriptions.path(subscription) + "/replay", json: .object(request), timeout: .hours(2))
            if !dryRun, !noWait, let id = answer["id"]?.string {
                answer = try await follow(id, answer, api, terminal)
            }
            if options.output == .json {
                terminal.line(answer.prettyText())
            } else if dryRun {
                Replay.writePlan(answer, terminal)
            } else {
                terminal.line(Replay.summary(answer, terminal))
            }
            if let state = answer["state"]?.string, state == "failed" { throw ExitStatus.failure.code }
        }
    }

    private func follow(
        _ id: String, _ first: JSONValue, _ api: APIClient, _ terminal: Terminal
    ) async throws -> JSONValue {
        var answer = first
        while answer["state"]?.string == "running" {
            terminal.progress(Replay.summary(answer, terminal))
            // Progress for a person: twice a second is enough, and an interrupt ends the wait at once.
            try await Task.sleep(for: .milliseconds(500))
            answer = try await api.get("/v1/replays/\(APIClient.escape(id))")
        }
        terminal.endProgress()
        return answer
    }

    private static func writePlan(_ plan: JSONValue, _ terminal: Terminal) {
        let matched = plan["matched"]?.integer ?? 0
        terminal.line(
            "\(Words.count(matched)) of \(Words.count(plan["scanned"]?.integer ?? 0)) events match, "
                + Words.bytes(plan["matchedBytes"]?.integer ?? plan["bytes"]?.integer ?? 0))
        if let cost = plan["estimatedMilliseconds"]?.double {
            terminal.line("estimated run time: \(Words.duration(milliseconds: cost)) (from recent runs)")
        } else {
            terminal.line("estimated run time: unknown, the function has not run yet")
        }
        for sample in plan["samples"]?.array ?? [] {
            let event = sample["event"] ?? sample
            terminal.line("  " + EventText.line(event, position: nil, terminal))
        }
    }

    private static func summary(_ replay: JSONValue, _ terminal: Terminal) -> String {
        func count(_ name: String) -> String { Words.count(replay[name]?.integer ?? 0) }
        let state = replay["state"]?.string ?? "?"
        let reason = replay["reason"]?.string.map { ": \($0)" } ?? ""
        return "replay \(replay["id"]?.string ?? "") \(terminal.state(state))\(reason): \(count("scanned")) scanned, "
            + "\(count("matched")) matched, \(count("delivered")) delivered, \(count("failed")) failed"
    }
}
