public import CloudEvents

/// Makes one event of the copies of a record that come by several ways: both Kafka routes, a billing file, a second read.
///
/// Copies have one id (see `BillingView.identity`). Of two door records the one with the mover's side is kept (§2.1 of the
/// formats' description), so a record is held for the window before it goes on, and the better copy replaces it. A copy
/// that comes later, while the id is remembered, is dropped. Memory is bounded by `capacity`; time is the caller's.
public struct RouteDeduplicator: Sendable {
    /// What to do with a record.
    public enum Verdict: Sendable, Hashable {
        /// It is held; it comes out of `due(at:)`.
        case held
        /// It replaced a poorer copy that was held.
        case replaced
        /// It is a copy of what was held or had gone on.
        case duplicate
    }

    private struct Held: Sendable {
        var record: EventRecord
        var hasMover: Bool
        var sources: [String]
        var since: Int64
    }

    private let window: Int64
    private let capacity: Int
    private var held: [String: Held] = [:]
    private var order: [String] = []
    private var heldFrom = 0
    private var gone: [String: Int] = [:]
    private var goneOrder: [String] = []
    private var goneFrom = 0

    /// - Parameters:
    ///   - windowMilliseconds: How long a record waits for a better copy.
    ///   - capacity: How many ids are remembered, at least the records of a day when a whole day's copies are to be caught.
    public init(windowMilliseconds: Int64, capacity: Int) {
        window = windowMilliseconds
        self.capacity = max(capacity, 1)
    }

    /// How many records are held.
    public var heldCount: Int { held.count }

    /// Takes a record that came from `source` (a name of the way it came: `kafka`, `file` …) at `now` in milliseconds.
    public mutating func take(_ record: EventRecord, source: String, at now: Int64) -> Verdict {
        let (id, hasMover) = record.withView { view in
            (view.string("id") ?? "", Self.hasMover(view))
        }
        if var known = held[id] {
            if !known.sources.contains(source), known.sources.count < 8 { known.sources.append(source) }
            let isBetter = hasMover && !known.hasMover
            if isBetter { (known.record, known.hasMover) = (record, true) }
            held[id] = known
            return isBetter ? .replaced : .duplicate
        }
        if gone[id] != nil { return .duplicate }
        held[id] = Held(record: record, hasMover: hasMover, sources: [source], since: now)
        order.append(id)
        return .held
    }

    /// The records whose time of waiting is over, in the order in which they came; each says in `confirmedby` from which
    /// sources it came, when there were several.
    public mutating func due(at now: Int64) -> [EventRecord] {
        var out: [EventRecord] = []
        while heldFrom < order.count {
            let id = order[heldFrom]
            guard let first = held[id], first.since + window <= now || held.count > capacity else { break }
            heldFrom += 1
            held[id] = nil
            remember(id)
            out.append(Confirmation.mark(first.record, by: first.sources))
        }
        if heldFrom > 1_024, heldFrom * 2 > order.count {
            order.removeFirst(heldFrom)
            heldFrom = 0
        }
        return out
    }

    private mutating func remember(_ id: String) {
        gone[id] = 0
        goneOrder.append(id)
        if goneOrder.count - goneFrom > capacity {
            gone[goneOrder[goneFrom]] = nil
            goneFrom += 1
        }
        if goneFrom > 1_024, goneFrom * 2 > goneOrder.count {
            goneOrder.removeFirst(goneFrom)
            goneFrom = 0
        }
    }

    /// Whether a door's record holds the mover's side: `"mover":{` is written by our own encoder outside strings only.
    private static func hasMover(_ view: EventView) -> Bool {
        guard view.attribute("type").map({ $0.hasPrefix("dev.weir.request.") }) ?? false else { return false }
        return (try? JSONValue(parsing: view.data))?["mover"] != nil
    }
}

/// Says in an event which ways confirmed it.
enum Confirmation {
    /// The record with the attribute `confirmedby`, names joined by blanks; unchanged for a single name.
    static func mark(_ record: EventRecord, by sources: [String]) -> EventRecord {
        guard sources.count > 1 else { return record }
        var event = record.event
        event["confirmedby"] = .string(AttributeText.printable(sources.sorted().joined(separator: " ")))
        return EventRecord(event)
    }
}
