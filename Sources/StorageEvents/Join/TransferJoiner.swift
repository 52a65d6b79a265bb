public import CloudEvents

/// What the joining of a transfer needs to know of a record.
public struct TransferFacts: Sendable, Hashable {
    /// A mover's `initiator` or a door's `session`: equal for the two sides of one transfer. Text has it for movers only.
    public var session: String?
    public var isMover: Bool
    public var fileID: String?
    public var path: String?

    /// The facts of a billing event; `nil` for one that is neither a mover's nor a door's side of a transfer.
    public init?(_ record: EventRecord) {
        let (type, data) = record.withView { view in
            (view.string("type") ?? "", try? JSONValue(parsing: view.data))
        }
        switch type {
        case "dev.weir.file.written", "dev.weir.file.write-failed", "dev.weir.file.read", "dev.weir.file.read-failed":
            isMover = true
            session = data?["initiator"]?.string
        case "dev.weir.request.completed", "dev.weir.request.failed":
            isMover = false
            session = data?["session"]?.string
        default: return nil
        }
        fileID = data?["pnfsid"]?.string
        path = data?["path"]?.string
        if session == "<undefined>" { session = nil }
    }
}

/// Joins the door's and the mover's record of one transfer: `transfer.initiator == request.session` (§2.8).
///
/// A request may have no mover, one, or several (retries), and either may come first. Each record waits for the window
/// for others of its session, then the group goes out. A value machine: time and records in, groups out.
public struct TransferJoiner: Sendable {
    /// The records of one session.
    public struct Group: Sendable {
        /// The door's record; `nil` when none came.
        public var request: EventRecord?
        /// The movers' records, in the order in which they came.
        public var movers: [EventRecord] = []
        var since: Int64
    }

    /// The most movers of one request that are kept together.
    public static let maximumMovers = 64
    private let window: Int64
    private let capacity: Int
    private var groups: [String: Group] = [:]
    private var order: [String] = []

    /// - Parameters:
    ///   - windowMilliseconds: How long the first record of a session waits for the others.
    ///   - capacity: How many sessions wait at most; beyond, the oldest goes out as it is.
    public init(windowMilliseconds: Int64, capacity: Int) {
        window = windowMilliseconds
        self.capacity = max(capacity, 1)
    }

    /// How many sessions wait.
    public var waitingCount: Int { groups.count }

    /// Takes a record at `now` in milliseconds; what has no session to wait for comes straight back.
    public mutating func take(_ record: EventRecord, at now: Int64) -> Group? {
        guard let facts = TransferFacts(record), let session = facts.session, !session.isEmpty else {
            return Group(request: nil, movers: [record], since: now)
        }
        if groups[session] == nil {
            groups[session] = Group(since: now)
            order.append(session)
        }
        if facts.isMover {
            if (groups[session]?.movers.count ?? 0) >= Self.maximumMovers {
                return Group(request: nil, movers: [record], since: now)
            }
            groups[session]?.movers.append(record)
        } else {
            groups[session]?.request = record
        }
        return nil
    }

    /// The groups whose time is over, oldest first.
    public mutating func due(at now: Int64) -> [Group] {
        var out: [Group] = []
        var index = 0
        while index < order.count {
            guard let group = groups[order[index]], group.since + window <= now || groups.count > capacity else {
                break
            }
            groups[order[index]] = nil
            out.append(group)
            index += 1
        }
        order.removeFirst(index)
        return out
    }
}

extension TransferJoiner.Group {
    /// The group as one event: the last mover's record with the door's under `request` in its data (client, owner,
    /// duration), and the attempts before it counted. Without a mover the door's record; without a door the mover's.
    public var joined: EventRecord? {
        guard let mover = movers.last else { return request }
        guard let request else { return mover }
        var event = mover.event
        guard case .json(let bytes)? = event.data, var data = try? JSONValue(parsing: bytes).object,
            case .json(let doorBytes)? = request.event.data, let door = try? JSONValue(parsing: doorBytes)
        else { return mover }
        data["request"] = door
        data["movers"] = .integer(Int64(movers.count))
        event.data = .json(JSONValue.object(data).encoded())
        if event["owner"] == nil, let owner = request.event["owner"] { event["owner"] = owner }
        event["confirmedby"] = .string("door pool")
        return EventRecord(event)
    }
}
