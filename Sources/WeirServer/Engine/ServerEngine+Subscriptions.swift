import Channels
import CloudEvents
import Delivery
import HTTPTypes
import Persistence
import WeirHTTP

extension ServerEngine {
    func setPaused(
        _ paused: Bool, subscription: String, namespace: String, caller: Caller
    ) async throws(Problem) -> Resource? {
        guard try stored(.subscriptions, namespace, subscription) != nil else { return nil }
        do {
            try await parts.writer.setPaused(.subscription, namespace, subscription, paused)
        } catch {
            throw Problem(error)
        }
        let key = SubscriptionKey(namespace: namespace, name: subscription)
        if paused { await parts.subscriptions.pause(key) } else { await parts.subscriptions.resume(key) }
        return try await resource(.subscriptions, namespace: namespace, name: subscription)
    }
}

extension ServerEngine {
    /// The dead letters of a subscription: those events of its dead-letter channel that it put there.
    func deadLetters(
        subscription: String, namespace: String, page: PageRequest, scope: ReadScope
    ) async throws(Problem) -> Page<JSONValue>? {
        guard let document = try stored(.subscriptions, namespace, subscription) else { return nil }
        let spec = try self.spec(of: document)
        guard let name = spec.policy.deadLetter else { return Page(items: []) }
        let channel = try self.channel(name, namespace)
        let partitions = Array(0..<channel.partitionCount)
        var position: ChannelPosition
        if let cursor = page.cursor {
            guard let given = ChannelPosition(cursor) else {
                throw Problem(.badRequest, "invalid-parameter", "the cursor is none that a list gave")
            }
            position = given
        } else {
            position = try await self.position(
                of: .earliest, partitions: partitions, channel: name, namespace: namespace)
        }
        let owner = SubscriptionKey(namespace: namespace, name: subscription).description
        let ours = CompiledFilter(.exact([.init(attribute: "weirdlsubscription", value: owner)]))
        var items: [JSONValue] = []
        while true {
            let read = try await readEvents(
                EventQuery(
                    namespace: namespace, channel: name, position: position, limit: page.limit - items.count,
                    selection: EventSelection(scope: scope, filter: ours)))
            items += read.events.map { letter($0) }
            position = read.position
            if read.isAtEnd || items.count >= page.limit {
                return Page(items: items, next: read.isAtEnd ? nil : position.text)
            }
        }
    }

    private func letter(_ found: PositionedEvent) -> JSONValue {
        var event: [UInt8] = []
        JSONEventFormat.encode(found.record, into: &event)
        return [
            "partition": .integer(Int64(found.partition)), "offset": .integer(Int64(found.offset)),
            "appended": .time(found.appended), "event": (try? JSONValue(parsing: event)) ?? .null,
        ]
    }

    func spec(of document: ResourceDocument) throws(Problem) -> SubscriptionSpec {
        do {
            return try SubscriptionSpec(document.document)
        } catch {
            throw Problem(error)
        }
    }
}
