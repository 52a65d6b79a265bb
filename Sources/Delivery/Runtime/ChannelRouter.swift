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
        /// What the reader has routed or is routing, by partition.
        var positions: [UInt64]
        /// What lies in the mailboxes, by partition.
        var offered: [UInt64]
        /// Another router has taken its place.
        var isRetired = false
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
        let ends = (0..<partitionCount).map { channel.bounds(ofPartition: $0).next }
        state = Mutex(State(positions: ends, offered: ends))
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
            guard position >= state.positions[partition] else { return false }
            mailbox.join(partition)
            return true
        }
    }

    /// Everything below this that matches lies in the mailboxes of those who joined.
    func offered(_ partition: Int) -> UInt64 { state.withLock { $0.offered[partition] } }

    /// Lets the readers end when they next wake up; nobody is fed by them any more.
    func retire() { state.withLock { $0.isRetired = true } }

    /// Reads one partition until the task is cancelled.
    func run(partition: Int) async {
        var position = state.withLock { $0.positions[partition] }
        var scratch = MatchScratch()
        var ids: [SubscriptionIndex.ID] = []
        var matches: [SubscriptionIndex.ID: ContiguousArray<UInt32>] = [:]
        var poked = position
        while !Task.isCancelled {
            await channel.waitForRecords(partition: partition, from: position)
            if Task.isCancelled || state.withLock({ $0.isRetired }) { return }
            let batch: RecordBatch
            do throws(ChannelError) {
                batch = try await channel.read(partition: partition, from: position, limit: ReadLimit())
            } catch {
                if error.code == .closed { return }
                log.error("the channel cannot be read", metadata: ["channel": "\(channel.name)", "error": "\(error)"])
                await clock.sleep(1_000)
                continue
            }
            guard batch.nextOffset > position else { continue }
            let (index, boxes) = state.withLock { state in
                state.positions[partition] = batch.nextOffset
                return (state.index, state.boxes)
            }
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
            state.withLock { $0.offered[partition] = position }
            if position - poked >= Self.pokeInterval {
                poked = position
                for page in boxes { for box in page { box?.poke() } }
            }
        }
    }
}
