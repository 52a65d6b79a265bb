import Channels
import CloudEvents
import WeirHTTP

extension ServerEngine {
    func publish(
        _ events: [EventRecord], to channel: String, namespace: String
    ) async throws(Problem) -> [AppendOutcome] {
        let channel = try self.channel(channel, namespace)
        do {
            return try await channel.append(events)
        } catch {
            throw Problem(error)
        }
    }

    func partitionCount(channel: String, namespace: String) async throws(Problem) -> Int {
        try self.channel(channel, namespace).partitionCount
    }

    func position(
        of start: StartPosition, partitions: [Int], channel: String, namespace: String
    ) async throws(Problem) -> ChannelPosition {
        let channel = try self.channel(channel, namespace)
        if start == .latest { await self.refresh(channel) }
        var found: [ChannelPosition.Partition] = []
        for partition in partitions {
            found.append(.init(partition: partition, next: try await offset(of: start, partition, channel)))
        }
        return ChannelPosition(found)
    }

    /// Asks where a channel ends, where others append too; what is known counts when nobody answers.
    private func refresh(_ channel: any Channel) async { try? await channel.refreshBounds() }

    /// Where a start is in one partition.
    func offset(of start: StartPosition, _ partition: Int, _ channel: any Channel) async throws(Problem) -> UInt64 {
        switch start {
        case .earliest: return channel.bounds(ofPartition: partition).first
        case .latest: return channel.bounds(ofPartition: partition).next
        case .offset(let offset): return offset
        case .time(let milliseconds):
            do {
                return try await channel.offset(partition: partition, atOrAfter: milliseconds)
            } catch {
                throw Problem(error)
            }
        }
    }

    func readEvents(_ query: EventQuery) async throws(Problem) -> EventPage {
        let channel = try self.channel(query.channel, query.namespace)
        var page = EventPage(events: [], position: query.position, isAtEnd: true)
        for place in query.position.partitions {
            guard page.events.count < query.limit else {
                if place.next < channel.bounds(ofPartition: place.partition).next { page.isAtEnd = false }
                continue
            }
            let batch: RecordBatch
            do {
                batch = try await channel.read(
                    partition: place.partition, from: place.next, limit: ReadLimit(records: 4096, bytes: 4 << 20))
            } catch {
                throw Problem(error)
            }
            take(batch, place.partition, query, into: &page)
            if let next = page.position[place.partition], next < channel.bounds(ofPartition: place.partition).next {
                page.isAtEnd = false
            }
        }
        return page
    }

    /// Takes what is wanted of one batch, up to the limit; the position stands behind the last record looked at.
    private func take(_ batch: RecordBatch, _ partition: Int, _ query: EventQuery, into page: inout EventPage) {
        page.gaps += batch.gaps.map { EventPage.Gap(partition: partition, gap: $0) }
        for index in 0..<batch.count {
            let entry = batch.entries[index]
            guard page.events.count < query.limit else {
                page.position[partition] = entry.offset
                return
            }
            let record = batch.withView(at: index) { view in
                query.selection.matches(view) ? EventRecord(validating: Array(view.bytes)) : nil
            }
            guard let record else { continue }
            page.events.append(
                PositionedEvent(partition: partition, offset: entry.offset, appended: entry.appended, record: record))
        }
        page.position[partition] = batch.nextOffset
    }

    func waitForEvents(channel: String, namespace: String, behind position: ChannelPosition) async {
        guard let channel = try? self.channel(channel, namespace) else { return }
        await withTaskGroup(of: Void.self) { group in
            for place in position.partitions {
                group.addTask { await channel.waitForRecords(partition: place.partition, from: place.next) }
            }
            await group.next()
            group.cancelAll()
        }
    }

    func channel(_ name: String, _ namespace: String) throws(Problem) -> any Channel {
        guard let channel = parts.channels.channel(namespace: namespace, name: name) else {
            throw Problem.notFound("channel", name)
        }
        return channel
    }
}
