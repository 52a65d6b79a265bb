import Channels
import CloudEvents
import Logging
import Persistence

/// The sink of what a subscription gathers: keeps members, and appends an event to the channel when a group is complete.
///
/// A member is kept before it counts as delivered. A group's event is fixed and kept before it is appended, with an id
/// that follows from the subscription, the group and which time it fires: a crash anywhere appends it once.
actor Gatherer: Sink {
    private let key: SubscriptionKey
    private let spec: GatherSpec
    private let store: any StateStore
    private let channel: @Sendable () -> (any Channel)?
    private let clock: DeliveryClock
    private let log: Logger
    private let marker: CompiledFilter?
    private var machine: GatherMachine
    private var isLoaded = false
    /// The fixed events of groups that fire.
    private var fixed: [String: EventRecord] = [:]
    /// The last piece of work: one after the other, for what is kept must follow what is decided.
    private var last: Task<Void, Never>?
    private var failure: String?
    private var work: Task<Void, Never>?

    /// - Parameter channel: where members come from and the groups' events go.
    init(
        _ key: SubscriptionKey, _ spec: GatherSpec, store: any StateStore, clock: DeliveryClock, log: Logger,
        channel: @escaping @Sendable () -> (any Channel)?
    ) {
        self.key = key
        self.spec = spec
        self.store = store
        self.clock = clock
        self.log = log
        self.channel = channel
        marker = spec.marker.isEmpty ? nil : CompiledFilter(spec.marker)
        machine = GatherMachine(spec)
    }

    /// Where its state is kept.
    static func prefix(_ key: SubscriptionKey) -> String { "gather/\(key.namespace)/\(key.name)/" }

    /// Which events are those of its groups.
    static func filter(_ key: SubscriptionKey) -> [Filter] {
        [.exact([.init(attribute: "source", value: source(key)), .init(attribute: "type", value: type)])]
    }

    private static let type = "dev.weir.group.completed"
    private static func source(_ key: SubscriptionKey) -> String {
        "weir://\(key.namespace)/subscriptions/\(key.name)"
    }

    /// How members come here: in their order, and until they are kept.
    static func policy(_ policy: DeliveryPolicy) -> DeliveryPolicy {
        var own = DeliveryPolicy()
        own.attempts = 1_000_000_000
        own.maximumBackoff = 10_000
        own.batchSize = 256
        own.concurrency = 1
        own.start = policy.start
        own.maximumDepth = policy.maximumDepth
        own.deadLetter = policy.deadLetter
        return own
    }

    var status: SubscriptionStatus.Gathering {
        .init(open: machine.open, late: machine.late, strangers: machine.strangers, failure: failure)
    }

    func deliver(_ parcels: [Parcel]) async -> [SinkAnswer] {
        let outcome = await inTurn { await self.take(parcels) }
        return parcels.map { _ in SinkAnswer(outcome) }
    }

    /// Begins to look for what is due by time, until ``close()``.
    ///
    /// - Parameter hasPassed: whether everything up to these ends of the channel's partitions has been given to the sink.
    func start(hasPassed: @escaping @Sendable ([UInt64]) async -> Bool) {
        guard work == nil else { return }
        work = Task { await self.run(hasPassed) }
    }

    func close() async {
        work?.cancel()
        await work?.value
    }

    func removed() async {
        let prefix = Self.prefix(key)
        guard let entries = try? await store.entries(prefix: prefix) else { return }
        try? await store.put(entries.map { StateEntry(key: $0.key, value: nil) })
    }

    private func run(_ hasPassed: @Sendable ([UInt64]) async -> Bool) async {
        while !Task.isCancelled {
            _ = await inTurn { await self.goOn() }
            let now = clock.now()
            if let due = machine.nextDue, due <= now, let channel = channel() {
                // A member that the channel took before now may still be on its way: it is waited for.
                let ends = (0..<channel.partitionCount).map { channel.bounds(ofPartition: $0).next }
                while !Task.isCancelled, await !hasPassed(ends) { await clock.sleep(20) }
                if Task.isCancelled { return }
                _ = await inTurn { await self.advance(to: now) }
            }
            // Soon enough for what becomes due, and for what could not be appended.
            let wait = machine.nextDue.map { min(max($0 - clock.now(), 5), 1_000) } ?? 1_000
            await clock.sleep(fixed.isEmpty ? wait : 200)
        }
    }

    // MARK: One after the other

    private func inTurn(_ body: @escaping @Sendable () async -> DeliveryOutcome) async -> DeliveryOutcome {
        let previous = last
        let task = Task { () -> DeliveryOutcome in
            await previous?.value
            return await body()
        }
        last = Task { _ = await task.value }
        return await task.value
    }

    private func take(_ parcels: [Parcel]) async -> DeliveryOutcome {
        if let problem = await load() { return .retry(problem) }
        var actions: [GatherMachine.Action] = []
        for parcel in parcels {
            machine.settled(partition: parcel.partition, below: parcel.floor)
            guard let (key, member) = member(parcel) else {
                machine.countStranger()
                continue
            }
            machine.take(key, member, into: &actions)
        }
        return await perform(actions)
    }

    private func goOn() async -> DeliveryOutcome {
        if let problem = await load() {
            failure = problem
            return .retry(problem)
        }
        for name in fixed.keys.sorted() {
            let outcome = await append(name)
            guard outcome == .delivered else { return outcome }
        }
        return .delivered
    }

    private func advance(to time: Int64) async -> DeliveryOutcome {
        var actions: [GatherMachine.Action] = []
        machine.advance(to: time, into: &actions)
        return await perform(actions)
    }

    /// Keeps and fires; when something cannot be kept, all is read again from what was.
    private func perform(_ actions: [GatherMachine.Action]) async -> DeliveryOutcome {
        var entries: [StateEntry] = []
        var firing: [String] = []
        for action in actions {
            switch action {
            case .keep(let key, let member):
                entries.append(StateEntry(key: place(key, member.place), value: Stored.encoded(key, member)))
            case .drop(let key, let place): entries.append(StateEntry(key: self.place(key, place), value: nil))
            case .fire(let key, let reason):
                guard let group = machine.groups[key.text] else { continue }
                let event = event(group, reason)
                fixed[key.text] = event
                firing.append(key.text)
                entries.append(StateEntry(key: header(key), value: Stored.encoded(group, event: event)))
            case .close(let key):
                guard let group = machine.groups[key.text] else { continue }
                entries.append(StateEntry(key: header(key), value: Stored.encoded(group, event: nil)))
                if spec.late != .again { entries += await nothing(below: folder(key)) }
            case .forget(let key):
                entries.append(StateEntry(key: header(key), value: nil))
                entries += await nothing(below: folder(key))
            }
        }
        if !entries.isEmpty {
            do throws(PersistenceError) {
                try await store.put(entries)
            } catch {
                isLoaded = false
                failure = error.message
                return .retry("the members of a group cannot be kept: \(error.message)")
            }
        }
        // What is kept is delivered; a group's event that cannot be appended now is appended later.
        for name in firing where await append(name) != .delivered { break }
        return .delivered
    }

    private func nothing(below prefix: String) async -> [StateEntry] {
        ((try? await store.entries(prefix: prefix)) ?? []).map { StateEntry(key: $0.key, value: nil) }
    }

    /// Appends the fixed event of a group.
    private func append(_ name: String) async -> DeliveryOutcome {
        guard let event = fixed[name], let group = machine.groups[name] else { return .delivered }
        guard let channel = channel() else {
            failure = "the channel does not exist any more"
            return .retry("the channel does not exist any more")
        }
        do throws(ChannelError) {
            _ = try await channel.append([event])
        } catch {
            failure = error.message
            return .retry(error.message)
        }
        fixed[name] = nil
        failure = nil
        var actions: [GatherMachine.Action] = []
        machine.fired(group.key, at: clock.now(), into: &actions)
        return await perform(actions)
    }

    // MARK: Members and events

    private func member(_ parcel: Parcel) -> (GatherMachine.Key, GatherMachine.Member)? {
        parcel.event.withView { view in
            // What it has made itself comes by the same channel.
            if view.string("type") == Self.type, view.string("source") == Self.source(key) { return nil }
            guard let groupKey = self.groupKey(view) else { return nil }
            var facts = JSONObject()
            for (name, value) in [
                ("id", view.string("id")), ("source", view.string("source")), ("type", view.string("type")),
                ("subject", view.string("subject")), ("time", view.string("time")),
                ("filesize", view.string("filesize")),
            ] {
                if let value { facts[name] = .string(value) }
            }
            var announced: Int?
            if case .pointer(let pointer)? = spec.count, let data = try? JSONValue(parsing: view.data) {
                announced = pointer.value(in: data)?.integer.flatMap { (0...1_000_000).contains($0) ? Int($0) : nil }
            }
            let member = GatherMachine.Member(
                place: .init(partition: parcel.partition, offset: parcel.offset), appended: parcel.appended,
                isMarker: marker?.matches(view) ?? false, facts: facts, announced: announced,
                depth: Lineage.depth(of: view))
            return (groupKey, member)
        }
    }

    private func groupKey(_ view: EventView) -> GatherMachine.Key? {
        switch spec.by {
        case .directory:
            guard let subject = view.string("subject"), let slash = subject.lastIndex(of: "/") else { return nil }
            let folder = slash == subject.startIndex ? "/" : String(subject[..<slash])
            return .init(text: folder, parts: ["directory": .string(folder)])
        case .attribute(let name):
            var name = name
            let value = name.withUTF8 {
                view.attribute(UnsafeRawBufferPointer($0)).map { String(decoding: $0, as: UTF8.self) }
            }
            guard let value, !value.isEmpty else { return nil }
            return .init(text: value, parts: [name: .string(value)])
        case .path(let pattern):
            guard let subject = view.string("subject"), let found = pattern.match(subject) else { return nil }
            let parts = JSONObject(members: found.map { .init(name: $0.name, value: .string($0.value)) })
            return .init(text: found.map(\.value).joined(separator: "/"), parts: parts)
        }
    }

    private func event(_ group: GatherMachine.Group, _ reason: GatherMachine.Reason) -> EventRecord {
        let members = group.members.values.sorted { $0.place < $1.place }
        let bytes = members.reduce(Int64(0)) { sum, member in
            let size = member.facts["filesize"]?.string.flatMap { Int64($0) } ?? 0
            return sum.addingReportingOverflow(size).overflow ? sum : sum + size
        }
        var data: JSONObject = [
            "group": .object(group.key.parts), "reason": .string(reason.rawValue),
            // A deadline and a limit end a group that may lack something.
            "complete": .bool(reason != .deadline && reason != .limit), "generation": .integer(Int64(group.generation)),
            "count": .integer(Int64(members.count)), "bytes": .integer(bytes),
            "first": .string(EventTime(nanoseconds: group.first * 1_000_000).text),
            "last": .string(EventTime(nanoseconds: group.last * 1_000_000).text),
        ]
        if let marker = group.marker { data["marker"] = .object(marker.facts) }
        data["members"] = .array(members.map { .object($0.facts) })
        let text = group.key.text
        var event = CloudEvent(
            id: Lineage.id("gather", key.description, text, String(group.generation)),
            source: Self.source(key), type: Self.type, subject: Self.commonFolder(members) ?? PrintableText.of(text),
            time: EventTime(nanoseconds: group.last * 1_000_000),
            data: .json(JSONValue.object(data).encoded()))
        event["partitionkey"] = .string(PrintableText.of(text))
        event["outcome"] = .string(reason == .deadline || reason == .limit ? "error" : "ok")
        // It counts as caused by its last member, for the guard against loops.
        let all = members + (group.marker.map { [$0] } ?? [])
        event["weirdepth"] = .integer(Int32(clamping: (all.map(\.depth).max() ?? 0) + 1))
        if let id = all.max(by: { $0.place < $1.place })?.facts["id"]?.string { event["weircause"] = .string(id) }
        return EventRecord(event)
    }

    /// The folder that all members lie in: what may be seen of them decides what may be seen of the group.
    private static func commonFolder(_ members: [GatherMachine.Member]) -> String? {
        var common: [Substring]?
        for member in members {
            guard let subject = member.facts["subject"]?.string, subject.hasPrefix("/") else { return nil }
            let parts = subject.split(separator: "/", omittingEmptySubsequences: false).dropFirst().dropLast()
            guard let known = common else {
                common = Array(parts)
                continue
            }
            common = zip(known, parts).prefix { $0 == $1 }.map(\.0)
        }
        return common.map { "/" + $0.joined(separator: "/") }
    }

    // MARK: State

    private func folder(_ key: GatherMachine.Key) -> String {
        Self.prefix(self.key) + "m/" + Lineage.id("group", key.text) + "/"
    }
    private func place(_ key: GatherMachine.Key, _ place: GatherMachine.Place) -> String {
        folder(key) + "\(place.partition)/\(place.offset)"
    }
    private func header(_ key: GatherMachine.Key) -> String {
        Self.prefix(self.key) + "g/" + Lineage.id("group", key.text)
    }

    /// Reads what is kept; a sentence when it cannot.
    private func load() async -> String? {
        guard !isLoaded else { return nil }
        machine = GatherMachine(spec)
        fixed = [:]
        do throws(PersistenceError) {
            for entry in try await store.entries(prefix: Self.prefix(key) + "g/") {
                guard let value = entry.value, let (group, event) = Stored.group(value) else { continue }
                machine.restore(group)
                if let event { fixed[group.key.text] = event }
            }
            for entry in try await store.entries(prefix: Self.prefix(key) + "m/") {
                guard let value = entry.value, let (key, member) = Stored.member(value) else { continue }
                machine.restore(key, member)
            }
        } catch {
            return "what was gathered cannot be read: \(error.message)"
        }
        isLoaded = true
        var actions: [GatherMachine.Action] = []
        machine.resume(into: &actions)
        if case .retry(let why, _) = await perform(actions) { return why }
        return nil
    }
}

/// Text without what attributes must not hold.
enum PrintableText {
    static func of(_ text: String) -> String {
        let clean = String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) ? " " : $0 }))
        return clean.isEmpty ? "-" : clean
    }
}

/// How members and groups are written.
private enum Stored {
    static func encoded(_ key: GatherMachine.Key, _ member: GatherMachine.Member) -> [UInt8] {
        var object: JSONObject = [
            "key": .string(key.text), "parts": .object(key.parts), "p": .integer(Int64(member.place.partition)),
            "o": .string(String(member.place.offset)), "at": .integer(member.appended), "facts": .object(member.facts),
        ]
        if member.isMarker { object["marker"] = true }
        if let announced = member.announced { object["n"] = .integer(Int64(announced)) }
        if member.depth > 0 { object["depth"] = .integer(Int64(member.depth)) }
        return JSONValue.object(object).encoded()
    }

    static func member(_ bytes: [UInt8]) -> (GatherMachine.Key, GatherMachine.Member)? {
        guard let value = try? JSONValue(parsing: bytes), let key = key(value), let place = place(value),
            let at = value["at"]?.integer, let facts = value["facts"]?.object
        else { return nil }
        return (
            key,
            GatherMachine.Member(
                place: place, appended: at, isMarker: value["marker"]?.bool ?? false, facts: facts,
                announced: value["n"]?.integer.map { Int($0) }, depth: Int(value["depth"]?.integer ?? 0))
        )
    }

    static func encoded(_ group: GatherMachine.Group, event: EventRecord?) -> [UInt8] {
        var object: JSONObject = [
            "key": .string(group.key.text), "parts": .object(group.key.parts),
            "generation": .integer(Int64(group.generation)), "first": .integer(group.first),
            "last": .integer(group.last),
            "places": .array(
                group.places.sorted().map { ["p": .integer(Int64($0.partition)), "o": .string(String($0.offset))] }),
        ]
        if let event { object["event"] = .string(Base64.encode(event.bytes)) }
        if case .fired(let time) = group.state { object["fired"] = .integer(time) }
        return JSONValue.object(object).encoded()
    }

    static func group(_ bytes: [UInt8]) -> (GatherMachine.Group, EventRecord?)? {
        guard let value = try? JSONValue(parsing: bytes), let key = key(value),
            let generation = value["generation"]?.integer, let places = value["places"]?.array
        else { return nil }
        var group = GatherMachine.Group(key: key)
        group.generation = Int(generation)
        group.first = value["first"]?.integer ?? 0
        group.last = value["last"]?.integer ?? 0
        group.places = Set(places.compactMap(place))
        if let time = value["fired"]?.integer {
            group.state = .fired(at: time)
            return (group, nil)
        }
        guard let text = value["event"]?.string, let record = Base64.decode(text.utf8),
            let event = EventRecord(validating: record)
        else { return nil }
        group.state = .firing
        return (group, event)
    }

    private static func key(_ value: JSONValue) -> GatherMachine.Key? {
        guard let text = value["key"]?.string, let parts = value["parts"]?.object else { return nil }
        return .init(text: text, parts: parts)
    }

    private static func place(_ value: JSONValue) -> GatherMachine.Place? {
        guard let partition = value["p"]?.integer, let offset = value["o"]?.string.flatMap({ UInt64($0) }) else {
            return nil
        }
        return .init(partition: Int(partition), offset: offset)
    }
}
