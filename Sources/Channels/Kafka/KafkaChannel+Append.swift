package import CloudEvents
import Kafka
import Logging
import Synchronization

extension KafkaChannel {
    private struct Route {
        let partition: Int
        let identity: EventIdentity
    }

    /// Appends events; returns when all replicas in sync have them.
    ///
    /// When that takes too long the call fails and nothing is acknowledged, but the events stay on their way: appending
    /// them again joins the first attempt, so that none is written twice.
    package func append(_ events: [EventRecord]) async throws(ChannelError) -> [AppendOutcome] {
        guard !events.isEmpty else { return [] }
        let routes = try route(events)
        let outcome = await Deadline.run(milliseconds: Int64(connection.options.appendTimeout)) {
            await self.write(events, routes)
        }
        guard let outcome else {
            let why = (try? connection.producer())?.failure.map { ": " + $0.message } ?? ""
            throw ChannelError(
                .unavailable,
                "the brokers of topic \(topic) did not acknowledge within \(connection.options.appendTimeout) ms\(why)")
        }
        return try outcome.get()
    }

    private func route(_ events: [EventRecord]) throws(ChannelError) -> [Route] {
        if isClosed { throw ChannelError(.closed, "channel \(name) is being closed; try again later") }
        let largest = connection.largestRecord
        var routes: [Route] = []
        routes.reserveCapacity(events.count)
        for event in events {
            guard event.bytes.count <= largest else {
                throw ChannelError(
                    .recordTooLarge,
                    "an event of \(event.bytes.count) bytes is too large for channel \(name): at most \(largest) "
                        + "(message.max.bytes of the server's Kafka properties, max.message.bytes of the topic)")
            }
            event.withView { view in
                let attributes = RoutingAttributes(view)
                let partition = Partitioner.key(of: attributes).map { Murmur2.partition(of: $0, among: feeds.count) }
                routes.append(Route(partition: partition ?? 0, identity: key.identity(of: attributes)))
            }
        }
        return routes
    }

    private func write(_ events: [EventRecord], _ routes: [Route]) async -> Result<[AppendOutcome], ChannelError> {
        do throws(ChannelError) {
            let partitions = Set(routes.map(\.partition))
            try await catchUp(partitions)
            let ticket = AppendTicket()
            let marks = feeds.map(\.next)
            var chosen: [Int] = []
            var others: [AppendTicket] = []
            window.withLock { window in
                for (index, route) in routes.enumerated() {
                    switch window.admit(route.identity, for: ticket) {
                    case .append: chosen.append(index)
                    case .duplicate: break
                    case .wait(let other): if !others.contains(where: { $0 === other }) { others.append(other) }
                    }
                }
            }
            var outcomes = [AppendOutcome](repeating: .duplicate, count: events.count)
            if !chosen.isEmpty {
                let result = await send(events, routes, chosen, marks, &outcomes)
                ticket.end(result)
                try result.get()
            }
            for other in others { try await other.outcome.get() }
            return .success(outcomes)
        } catch {
            return .failure(error)
        }
    }

    /// Writes the chosen events and notes what became of each.
    private func send(
        _ events: [EventRecord], _ routes: [Route], _ chosen: [Int], _ marks: [UInt64],
        _ outcomes: inout [AppendOutcome]
    ) async -> Result<Void, ChannelError> {
        var failure: KafkaError?
        var rest = chosen
        while !rest.isEmpty {
            var written: [Int: UInt64] = [:]
            var lost: [(index: Int, mayBeThere: Bool)] = []
            var doubtful: [Int] = []
            for (result, index) in zip(await produce(events, routes, rest), rest) {
                switch result {
                case .success(let place): written[index] = UInt64(place.offset)
                case .failure(let error) where error.code == .unconfirmed: doubtful.append(index)
                case .failure(let error):
                    failure = failure ?? error
                    lost.append((index, error.mayHaveWritten))
                }
            }
            rest = []
            if !doubtful.isEmpty {
                do throws(KafkaError) {
                    written.merge(try await find(doubtful, routes, marks)) { $1 }
                    rest = doubtful.filter { written[$0] == nil }
                } catch {
                    failure = failure ?? error
                    lost += doubtful.map { ($0, true) }
                }
            }
            note(written, lost, events, routes, marks, &outcomes)
        }
        return failure.map { .failure(ChannelError($0)) } ?? .success(())
    }

    private func produce(
        _ events: [EventRecord], _ routes: [Route], _ chosen: [Int]
    ) async -> [Result<KafkaPlace, KafkaError>] {
        do throws(KafkaError) {
            let bytes = chosen.reduce(0) { $0 + events[$1].bytes.count + 64 }
            return try await connection.producer().send(count: chosen.count, bytes: bytes) { enqueuer, index in
                put(events[chosen[index]], routes[chosen[index]].partition, &enqueuer)
            }
        } catch {
            return Array(repeating: .failure(error), count: chosen.count)
        }
    }

    private func note(
        _ written: [Int: UInt64], _ lost: [(index: Int, mayBeThere: Bool)], _ events: [EventRecord], _ routes: [Route],
        _ marks: [UInt64], _ outcomes: inout [AppendOutcome]
    ) {
        window.withLock { window in
            for index in written.keys { window.end(routes[index].identity, isDurable: true) }
            for (index, mayBeThere) in lost {
                let route = routes[index]
                window.end(route.identity, isDurable: false)
                if mayBeThere { window.forget(route.partition, from: marks[route.partition]) }
            }
        }
        for (index, offset) in written.sorted(by: { $0.key < $1.key }) {
            let partition = routes[index].partition
            outcomes[index] = .appended(partition: partition, offset: offset)
            feeds[partition].noteAppended(offset, bytes: events[index].bytes.count)
        }
    }

    private func put(_ event: EventRecord, _ partition: Int, _ enqueuer: inout KafkaProducer.Enqueuer) {
        event.withView { view in
            var headers = KafkaHeaders(capacity: KafkaBinding.headerCount(of: view, mode))
            KafkaBinding.forEachHeader(of: view, mode) { headers.add($0, $1) }
            KafkaBinding.withValue(of: view, mode) { value in
                enqueuer.put(
                    topic: topic, partition: Int32(partition), key: Partitioner.key(of: RoutingAttributes(view)),
                    value: value, headers: &headers)
            }
        }
    }

    // MARK: Knowing what is there

    /// Reads what lies in these partitions without this server's knowledge.
    private func catchUp(_ partitions: Set<Int>) async throws(ChannelError) {
        while true {
            let unknown = window.withLock { $0.unknown.filter { partitions.contains($0.key) } }
            guard !unknown.isEmpty else { return }
            let tasks = catchingUp.withLock { running in
                unknown.map { partition, offset in
                    if let task = running[partition] { return task }
                    let task = Task { await self.learn(partition, from: offset) }
                    running[partition] = task
                    return task
                }
            }
            for task in tasks { try await task.value.get() }
        }
    }

    private func learn(_ partition: Int, from offset: UInt64) async -> Result<Void, ChannelError> {
        let outcome: Result<Void, ChannelError>
        do throws(KafkaError) {
            try await scan(partition, from: offset) { identity, _ in window.withLock { $0.learn(identity) } }
            window.withLock { $0.learned(partition, from: offset) }
            outcome = .success(())
        } catch {
            outcome = .failure(ChannelError(error))
        }
        catchingUp.withLock { $0[partition] = nil }
        return outcome
    }

    /// Looks for events of which no broker has said that they are there.
    ///
    /// - Returns: where those are that are.
    private func find(
        _ doubtful: [Int], _ routes: [Route], _ marks: [UInt64]
    ) async throws(KafkaError) -> [Int: UInt64] {
        var places: [EventIdentity: UInt64] = [:]
        for partition in Set(doubtful.map { routes[$0].partition }) {
            let wanted = Set(doubtful.filter { routes[$0].partition == partition }.map { routes[$0].identity })
            try await scan(partition, from: marks[partition]) { identity, offset in
                if wanted.contains(identity), places[identity] == nil { places[identity] = offset }
            }
        }
        let found = doubtful.filter { places[routes[$0].identity] != nil }
        log.notice(
            "of some events no broker said that they are written",
            metadata: ["events": "\(doubtful.count)", "found": "\(found.count)"])
        return Dictionary(uniqueKeysWithValues: found.map { ($0, places[routes[$0].identity] ?? 0) })
    }

    /// Reads the ids that a partition has from an offset on.
    private func scan(
        _ partition: Int, from offset: UInt64, _ body: (EventIdentity, UInt64) -> Void
    ) async throws(KafkaError) {
        let scan = KafkaScan(
            connection: connection, partition: feeds[partition].partition, patience: Int64(connection.options.timeout))
        var decoder = KafkaEventDecoder()
        var bytes: [UInt8] = []
        try await scan.run(from: Int64(offset)) { message in
            message.forEachHeader { decoder.take($0, $1) }
            bytes.removeAll(keepingCapacity: true)
            // What is no event has no id that an event could repeat.
            guard (try? decoder.finish(value: message.value, into: &bytes)) != nil else { return }
            body(bytes.withUnsafeBytes { key.identity(of: EventView(unchecked: $0)) }, UInt64(message.offset))
        }
    }
}

extension KafkaError {
    /// Whether what was refused may be in the topic all the same.
    fileprivate var mayHaveWritten: Bool {
        switch code {
        case .tooLarge, .authorization, .authentication, .configuration, .unknownTopic, .cancelled: false
        default: true
        }
    }
}
