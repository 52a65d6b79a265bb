import Channels
import CloudEvents
import Logging
import Persistence

/// The sink of what a subscription gathers: keeps members, and appends an event to the channel when a group is complete.
///
/// A member is kept before it counts as delivered. A group's event is fixed and kept before it is appended, with an id
/// that follows from the subscription, the group and which time it fires: a crash anywhere appends it once.
actor Gatherer: Sink {
    let key: SubscriptionKey
    let spec: GatherSpec
    private let store: any StateStore
    private let channel: @Sendable () -> (any Channel)?
    private let clock: DeliveryClock
    private let isOurs: @Sendable () async -> Bool
    let marker: CompiledFilter?
    private var machine: GatherMachine
    private var isLoaded = false
    /// Tells the groups of this subscription from those of an earlier one of the same name.
    private(set) var epoch = GatherEpoch(number: 0, ends: [])
    /// The fixed events of groups that fire.
    private var fixed: [String: EventRecord] = [:]
    /// The last piece of work: one after the other, for what is kept must follow what is decided.
    private var last: Task<Void, Never>?
    private var failure: String?
    private var work: Task<Void, Never>?

    /// - Parameters:
    ///   - isOurs: asked before an event is appended: where servers share a channel, another may have taken over.
    ///   - channel: where members come from and the groups' events go.
    init(
        _ key: SubscriptionKey, _ spec: GatherSpec, store: any StateStore, clock: DeliveryClock,
        isOurs: @escaping @Sendable () async -> Bool = { true }, channel: @escaping @Sendable () -> (any Channel)?
    ) {
        self.key = key
        self.spec = spec
        self.store = store
        self.clock = clock
        self.isOurs = isOurs
        self.channel = channel
        marker = spec.marker.isEmpty ? nil : CompiledFilter(spec.marker)
        machine = GatherMachine(spec)
    }

    /// Where its state is kept.
    static func prefix(_ key: SubscriptionKey) -> String { "\(prefix)\(key.namespace)/\(key.name)/" }
    static let prefix = "gather/"

    /// Which events are those of its groups.
    static func filter(_ key: SubscriptionKey) -> [Filter] {
        [.exact([.init(attribute: "source", value: source(key)), .init(attribute: "type", value: type)])]
    }

    static let type = "dev.weir.group.completed"
    static func source(_ key: SubscriptionKey) -> String {
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
                // Others may have appended; what the brokers do not say now they say in a moment.
                guard (try? await channel.refreshBounds()) != nil else {
                    await clock.sleep(200)
                    continue
                }
                let ends = (0..<channel.partitionCount).map { channel.bounds(ofPartition: $0).next }
                while !Task.isCancelled, await !hasPassed(ends) { await clock.sleep(20) }
                if Task.isCancelled { return }
                _ = await inTurn { await self.advance(to: now) }
            }
            // Soon enough for what becomes due, and for what could not be appended.
            // Looking takes as long as there are groups, so of very many it is done less often.
            let least = Int64(5 + machine.groups.count / 1_000)
            let wait = machine.nextDue.map { min(max($0 - clock.now(), least), 1_000) } ?? 1_000
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
        if let problem = await load() { return .retry(problem) }
        var actions: [GatherMachine.Action] = []
        machine.advance(to: time, into: &actions)
        return await perform(actions)
    }

    /// Keeps and fires; when something cannot be kept, all is read again from what was.
    private func perform(_ actions: [GatherMachine.Action]) async -> DeliveryOutcome {
        var firing: [String] = []
        do throws(PersistenceError) {
            let entries = try await entries(actions, &firing)
            if !entries.isEmpty { try await store.put(entries) }
        } catch {
            isLoaded = false
            failure = error.message
            return .retry("the members of a group cannot be kept: \(error.message)")
        }
        // What is kept is delivered; a group's event that cannot be appended now is appended later.
        for name in firing where await append(name) != .delivered { break }
        return .delivered
    }

    /// What is to be kept of actions, in their order; fixes the events of groups that fire.
    private func entries(
        _ actions: [GatherMachine.Action], _ firing: inout [String]
    ) async throws(PersistenceError) -> [StateEntry] {
        var entries: [StateEntry] = []
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
                entries.append(
                    StateEntry(
                        key: header(key),
                        value: Stored.encoded(group, event: event, marks: channel()?.appendMarks)))
            // The group itself comes last: a store that writes one after the other may end in between.
            case .close(let key):
                guard let group = machine.groups[key.text] else { continue }
                if spec.late != .again { entries += try await nothing(below: folder(key)) }
                entries.append(StateEntry(key: header(key), value: Stored.encoded(group)))
            case .forget(let key):
                entries += try await nothing(below: folder(key))
                entries.append(StateEntry(key: header(key), value: nil))
            }
        }
        return entries
    }

    /// Members that were left behind here would come again as late ones after a restart.
    private func nothing(below prefix: String) async throws(PersistenceError) -> [StateEntry] {
        try await store.entries(prefix: prefix).map { StateEntry(key: $0.key, value: nil) }
    }

    /// Appends the fixed event of a group.
    private func append(_ name: String) async -> DeliveryOutcome {
        guard let event = fixed[name], let group = machine.groups[name] else { return .delivered }
        guard let channel = channel() else {
            failure = "the channel does not exist any more"
            return .retry("the channel does not exist any more")
        }
        guard await isOurs() else { return .retry("another server gathers by now") }
        do throws(ChannelError) {
            _ = try await channel.append([event])
        } catch {
            if error.code == .recordTooLarge, let smaller = Self.reduced(event) {
                return await replace(group, by: smaller)
            }
            failure = error.message
            return .retry(error.message)
        }
        fixed[name] = nil
        failure = nil
        var actions: [GatherMachine.Action] = []
        machine.fired(group.key, at: clock.now(), into: &actions)
        return await perform(actions)
    }

    /// Fixes a group's event anew: the channel takes none that large.
    private func replace(_ group: GatherMachine.Group, by event: EventRecord) async -> DeliveryOutcome {
        let value = Stored.encoded(group, event: event, marks: channel()?.appendMarks)
        do throws(PersistenceError) {
            try await store.put([StateEntry(key: header(group.key), value: value)])
        } catch {
            isLoaded = false
            failure = error.message
            return .retry("the event of a group cannot be kept: \(error.message)")
        }
        fixed[group.key.text] = event
        return await append(group.key.text)
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

    /// Where the partitions end now.
    private func ends() async throws(PersistenceError) -> [UInt64] {
        guard let channel = channel() else { return [] }
        do throws(ChannelError) { try await channel.refreshBounds() } catch {
            throw PersistenceError(.ioFailure, error.message)
        }
        return (0..<channel.partitionCount).map { channel.bounds(ofPartition: $0).next }
    }

    /// Reads what is kept; a sentence when it cannot.
    private func load() async -> String? {
        guard !isLoaded else { return nil }
        machine = GatherMachine(spec)
        fixed = [:]
        do throws(PersistenceError) {
            if let known = try await store.entries(prefix: GatherEpoch.key(key)).first?.value.flatMap(GatherEpoch.init)
            {
                epoch = known
            } else {
                epoch = GatherEpoch(number: .random(in: .min ... .max), ends: try await ends())
                try await store.put([StateEntry(key: GatherEpoch.key(key), value: epoch.encoded)])
            }
            for entry in try await store.entries(prefix: Self.prefix(key) + "g/") {
                guard let value = entry.value, let (group, event, marks) = Stored.group(value) else { continue }
                machine.restore(group)
                guard let event else { continue }
                fixed[group.key.text] = event
                // Whoever fixed it may have appended it.
                if let marks { channel()?.recall(from: marks) }
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
