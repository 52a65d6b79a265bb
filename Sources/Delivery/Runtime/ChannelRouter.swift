import Channels
import CloudEvents
import Logging
import Synchronization

/// Reads one channel once for all subscriptions that keep up, and leaves each what matches.
///
/// A subscription may join when it has got as far as the reader; whether it has is asked and answered under the lock
/// under which the reader takes its snapshot and moves on, so that no event falls between the two.
final class ChannelRouter: Sendable {
    private struct State {
        var index = SubscriptionIndex()
        /// By subscription, in pages of 256 so that a change behind a snapshot copies little.
        var boxes: ContiguousArray<ContiguousArray<Mailbox?>> = []
        /// What the reader has routed or is routing, by partition; only of partitions that it reads.
        var positions: [Int: UInt64] = [:]
        /// What lies in the mailboxes, by partition.
        var offered: [Int: UInt64] = [:]
        /// The readers that run.
        var readers: [Int: Task<Void, Never>] = [:]
    }

    /// Idle subscriptions are told to note their progress after so many records.
    private static let pokeInterval: UInt64 = 65_536

    let channel: any Channel
    /// How many partitions it reads; a channel that has got more needs another router.
    let partitionCount: Int
    private let state: Mutex<State>
    private let clock: DeliveryClock
    private let log: Logger

    init(channel: any Channel, clock: DeliveryClock, log: Logger) {
        self.channel = channel
        self.clock = clock
        self.log = log
        partitionCount = channel.partitionCount
        state = Mutex(State())
    }

    /// Says where the reader of a partition begins; it reads when ``run(partition:)`` is called.
    func open(_ partition: Int, at position: UInt64) {
        state.withLock { state in
            state.positions[partition] = position
            state.offered[partition] = position
        }
    }

    /// Ends the reader of a partition; nobody is fed from it any more.
    func close(_ partition: Int) async {
        let reader = state.withLock { state in
            state.positions[partition] = nil
            state.offered[partition] = nil
            return state.readers.removeValue(forKey: partition)
        }
        reader?.cancel()
        await reader?.value
    }

    func add(_ filters: [Filter], visibility: EventVisibility, mailbox: Mailbox) -> SubscriptionIndex.ID {
        state.withLock { state in
            let id = state.index.add(filters, visibility: visibility)
            let page = Int(id >> 8)
            while state.boxes.count <= page { state.boxes.append(ContiguousArray(repeating: nil, count: 256)) }
            state.boxes[page][Int(id & 255)] = mailbox
            return id
        }
    }

    func remove(_ id: SubscriptionIndex.ID) {
        state.withLock { state in
            state.index.remove(id)
            state.boxes[Int(id >> 8)][Int(id & 255)] = nil
        }
    }

    var isEmpty: Bool { state.withLock { $0.index.count == 0 } }

    /// Lets a subscription that has read up to `position` be fed, unless the reader is further.
    func join(_ partition: Int, at position: UInt64, mailbox: Mailbox) -> Bool {
        state.withLock { state in
            guard let reader = state.positions[partition], position >= reader else { return false }
            mailbox.join(partition)
            return true
        }
    }

    /// Everything below this that matches lies in the mailboxes of those who joined.
    func offered(_ partition: Int) -> UInt64 { state.withLock { $0.offered[partition] ?? 0 } }

    /// Reads one partition until it is closed or the task is cancelled.
    func run(partition: Int) async {
        let reader = state.withLock { state -> Task<Void, Never>? in
            guard let position = state.positions[partition], state.readers[partition] == nil else { return nil }
            let reader = Task { await self.read(partition, from: position) }
            state.readers[partition] = reader
            return reader
        }
        guard let reader else { return }
        await withTaskCancellationHandler {
            await reader.value
        } onCancel: {
            reader.cancel()
        }
    }

    private func read(_ partition: Int, from start: UInt64) async {
        var position = start
        var scratch = MatchScratch()
        var ids: [SubscriptionIndex.ID] = []
        var matches: [SubscriptionIndex.ID: ContiguousArray<UInt32>] = [:]
        var poked = position
        while !Task.isCancelled {
            await channel.waitForRecords(partition: partition, from: position)
            if Task.isCancelled { return }
            let batch: RecordBatch
            do throws(ChannelError) {
                batch = try await channel.read(partition: partition, from: position, limit: ReadLimit())
            } catch {
                if error.code == .closed || Task.isCancelled { return }
                log.error("the channel cannot be read", metadata: ["channel": "\(channel.name)", "error": "\(error)"])
                await clock.sleep(1_000)
                continue
            }
            guard batch.nextOffset > position else { continue }
            for gap in batch.gaps {
                log.warning(
                    "events are lost to the subscriptions of a channel",
                    metadata: [
                        "channel": "\(channel.name)", "partition": "\(partition)", "offsets": "\(gap.offsets)",
                        "why": "\(gap.reason)",
                    ])
            }
            let snapshot = state.withLock { state -> (SubscriptionIndex, ContiguousArray<ContiguousArray<Mailbox?>>)? in
                guard state.positions[partition] != nil else { return nil }
                state.positions[partition] = batch.nextOffset
                return (state.index, state.boxes)
            }
            guard let (index, boxes) = snapshot else { return }
            batch.forEachView { record, view in
                ids.removeAll(keepingCapacity: true)
                index.match(view, scratch: &scratch, into: &ids)
                for id in ids { matches[id, default: []].append(UInt32(record)) }
            }
            for (id, indices) in matches {
                boxes[Int(id >> 8)][Int(id & 255)]?.push(batch, indices, start: position)
            }
            matches.removeAll(keepingCapacity: true)
            position = batch.nextOffset
            state.withLock { if $0.offered[partition] != nil { $0.offered[partition] = position } }
            if position - poked >= Self.pokeInterval {
                poked = position
                for page in boxes { for box in page { box?.poke() } }
            }
        }
    }
}
