import CloudEvents
package import Persistence
package import StorageEvents

/// Makes an event at each time of a schedule. The event's time, and its id, are the schedule's, not the clock's: two
/// servers, or one that is started again, make the same event.
package actor TimerSource: EventSource {
    private let id: SourceID
    private let spec: TimerSpec
    private let zone: ZoneRules
    private let output: SourceOutput
    private let store: any StateStore
    private let clock: SourceClock
    private let pause: @Sendable (Int64) async throws -> Void
    /// The clock is looked at again at least so often: it may be set, and the machine may sleep. Nanoseconds.
    private static let longestPause: Int64 = 30_000_000_000
    /// How many missed times `all` makes up for.
    private static let mostMissed = 10_000

    package init(
        id: SourceID, spec: TimerSpec, zone: ZoneRules, output: SourceOutput, store: any StateStore,
        clock: SourceClock = .system,
        pause: @escaping @Sendable (Int64) async throws -> Void = { try await Task.sleep(for: .nanoseconds($0)) }
    ) {
        self.id = id
        self.spec = spec
        self.zone = zone
        self.output = output
        self.store = store
        self.clock = clock
        self.pause = pause
    }

    private var key: String { id.statePrefix + "timer/last" }

    package func run() async throws {
        let began = clock.wall() / 1_000_000_000
        var last = began
        // What was kept is of this schedule only: another one has missed nothing.
        if let kept = try await store.entries(prefix: key).first?.value,
            let text = Optional(String(decoding: kept, as: UTF8.self)), let space = text.firstIndex(of: " "),
            text[text.index(after: space)...] == Self.scope(spec), let time = Int64(text[..<space])
        {
            last = min(time, began)
        }
        try await makeUp(after: last, until: began)
        output.report.running()
        last = began
        while true {
            guard let next = spec.schedule.next(after: last, in: zone) else {
                throw SourceError(.unsupported, "The schedule \"\(spec.schedule.text)\" never comes again.")
            }
            output.report.change { $0.position = "next at \(EventTime(nanoseconds: next * 1_000_000_000).text)" }
            while true {
                try Task.checkCancellation()
                let wait = next * 1_000_000_000 - clock.wall()
                if wait <= 0 { break }
                try await pause(min(wait, Self.longestPause))
            }
            try await tick(next)
            last = next
        }
    }

    private func makeUp(after last: Int64, until now: Int64) async throws {
        guard spec.missed != .skip, last < now else { return try await keep(max(last, now)) }
        var missed: [Int64] = []
        var time = last
        while let next = spec.schedule.next(after: time, in: zone), next <= now {
            missed.append(next)
            if missed.count > Self.mostMissed || spec.missed == .once && missed.count > 1 { missed.removeFirst() }
            time = next
        }
        for one in missed { try await tick(one) }
        try await keep(now)
    }

    private func tick(_ time: Int64) async throws {
        var hash = StableHash()
        for text in [id.description, spec.schedule.text, spec.timezone] { hash.add(text) }
        hash.add(time)
        var event = CloudEvent(
            id: hash.hex, source: "weir://\(id.namespace)/sources/\(id.name)", type: spec.type, subject: spec.subject,
            time: EventTime(nanoseconds: time * 1_000_000_000))
        if let data = spec.data { event.data = .json(data.encoded()) }
        try await output.publish([EventRecord(event)])
        try await keep(time)
    }

    private func keep(_ time: Int64) async throws {
        try await store.put([StateEntry(key: key, value: Array("\(time) \(Self.scope(spec))".utf8))])
    }

    private static func scope(_ spec: TimerSpec) -> String { "\(spec.schedule.text) \(spec.timezone)" }
}
