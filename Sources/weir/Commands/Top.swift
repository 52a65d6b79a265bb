import ArgumentParser
import CloudEvents
import Foundation

/// `weir top`: the workers of all functions, live.
struct Top: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the workers of all functions, live.",
        discussion: """
            Workers by function, what calls wait for, the shares of namespaces, stems, and how workers were started. On a \
            terminal the view is drawn anew each second until Ctrl-C. With -o json each line is one document.
            """)
    @Flag(help: "Show it once and end.") var once = false
    @Option(name: .long, help: ArgumentHelp("How long between two looks, in seconds.", valueName: "seconds"))
    var interval = 1.0
    @OptionGroup var options: ServerOptions

    func run() async throws {
        guard interval >= 0.1, interval <= 3_600 else { throw ValidationError("--interval is 0.1 to 3600 seconds") }
        let terminal = Terminal()
        // What is no terminal is shown once, unless a program reads document after document.
        let repeats = !once && (options.output == .json || terminal.width != nil)
        try await APIClient.with(options) { api in
            repeat {
                let workers = try await api.get("/v1/workers")
                if options.output == .json {
                    terminal.line(workers.text)
                } else {
                    let text = TopText.text(workers, namespace: options.namespace, terminal)
                    // From the top of the screen, clearing what is left of each line and below (ECMA-48 CUP, EL, ED).
                    terminal.write(repeats ? "\u{1B}[H" + TopText.cleared(text) + "\u{1B}[J" : text)
                }
                if repeats { try await Task.sleep(for: .seconds(interval)) }
            } while repeats
        }
    }
}

/// The view of `weir top`.
enum TopText {
    static func cleared(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\u{1B}[K\n")
    }

    static func text(_ document: JSONValue, namespace: String?, _ terminal: Terminal) -> String {
        var out = summary(document, terminal) + "\n"
        out += functions(document, namespace, terminal)
        out += "\n" + namespaces(document, terminal)
        return out
    }

    private static func integer(_ value: JSONValue?, _ name: String) -> Int64 { value?[name]?.integer ?? 0 }

    private static func summary(_ document: JSONValue, _ terminal: Terminal) -> String {
        let workers = document["workers"]
        let memory = document["memory"]
        let stems = (document["stems"]?.array ?? []).map { one -> String in
            let zygote = one["zygote"]?.string.map { ", zygote \($0)" } ?? ""
            return "\(one["kind"]?.string ?? "") \(integer(one, "ready")) of \(integer(one, "target"))\(zygote)"
        }
        var ways: [String: Int64] = [:]
        for start in document["starts"]?.array ?? [] {
            ways[start["way"]?.string ?? "", default: 0] += integer(start, "count")
        }
        let starts = ways.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
        let lines = [
            "workers  \(integer(workers, "alive")) of \(integer(workers, "most")): \(integer(workers, "running")) running, "
                + "\(integer(workers, "starting")) starting, \(integer(workers, "idle")) idle "
                + "(\(integer(workers, "frozen")) frozen); \(integer(document, "queued")) calls wait",
            "memory   \(Words.bytes(integer(memory, "used"))) of \(Words.bytes(integer(memory, "budget"))) promised",
            "stems    \(stems.isEmpty ? "none" : stems.joined(separator: "; "))",
            "starts   \(starts.isEmpty ? "none yet" : starts.joined(separator: ", "))"
                + "; \(integer(document["ends"], "evicted")) made room, \(integer(document, "handovers")) handed over",
        ]
        return lines.joined(separator: "\n") + "\n"
    }

    private static func functions(_ document: JSONValue, _ namespace: String?, _ terminal: Terminal) -> String {
        var table = Table(
            [
                "FUNCTION", "RUN", "START", "IDLE", "MIN", "MAX", "QUEUE", "RATE/S", "MEAN", "WAIT", "MEMORY",
                "WAITS FOR",
            ],
            numeric: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
        let all = (document["functions"]?.array ?? []).filter {
            namespace == nil || $0["namespace"]?.string == namespace
        }
        // Those that do most come first.
        let sorted = all.sorted { one, other in
            (integer(one, "queued"), integer(one, "running"), other["name"]?.string ?? "")
                > (integer(other, "queued"), integer(other, "running"), one["name"]?.string ?? "")
        }
        for one in sorted.prefix(200) {
            table.add([
                "\(one["namespace"]?.string ?? "")/\(one["name"]?.string ?? "")", "\(integer(one, "running"))",
                "\(integer(one, "starting"))", "\(integer(one, "idle"))", "\(integer(one, "min"))",
                "\(integer(one, "max"))", "\(integer(one, "queued"))", tenths(one["rate"]),
                one["duration"]?.double.map { Words.duration(milliseconds: $0) } ?? "",
                one["wait"]?.double.map { Words.duration(milliseconds: $0) } ?? "",
                Words.bytes(integer(one, "memory")), one["obstacle"]?.string ?? "",
            ])
        }
        let rest = sorted.count > 200 ? "… and \(sorted.count - 200) more\n" : ""
        return table.text(terminal) + rest
    }

    private static func namespaces(_ document: JSONValue, _ terminal: Terminal) -> String {
        var table = Table(["NAMESPACE", "WORKERS", "RUN", "QUEUE", "SHARE", "CLAIM"], numeric: [1, 2, 3, 4, 5])
        for one in (document["namespaces"]?.array ?? []).prefix(50) {
            table.add([
                one["name"]?.string ?? "", "\(integer(one, "workers"))", "\(integer(one, "running"))",
                "\(integer(one, "queued"))", tenths(one["share"]), "\(integer(one, "claim"))",
            ])
        }
        return table.text(terminal)
    }

    private static func tenths(_ value: JSONValue?) -> String {
        let number = ((value?.double ?? 0) * 10).rounded() / 10
        return number == number.rounded() ? String(Int64(number)) : String(number)
    }
}
