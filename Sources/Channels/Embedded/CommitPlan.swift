/// What one commit writes where, and how its outcome answers the calls that it serves.
struct CommitPlan: Sendable {
    /// What becomes of one event.
    private enum Slot: Sendable {
        /// The n-th record of a batch.
        case stored(batch: Int, record: Int)
        /// Seen before; when the first one is in this commit too, durable only if that batch becomes so.
        case duplicate(ofBatch: Int?)
    }

    /// How many events before its turn an identity's place in the window is fetched from memory.
    private static let ahead = 8

    private let requests: [AppendRequest]
    private var slots: [[Slot]] = []
    /// The batches, each of one partition.
    private(set) var batches: [(partition: Int, batch: PartitionBatch)] = []

    /// Sorts events to partitions and puts their identities into the window; those that are there already are dropped.
    init(_ requests: [AppendRequest], window: inout DuplicateWindow) {
        self.requests = requests
        var batchOf: [Int: Int] = [:]
        // Places are taken one after the other, around the ring: the n-th new identity of this commit has the n-th
        // place behind the first.
        let firstPlace = window.nextPlace
        var batchOfNew: [Int] = []
        for request in requests {
            var slots: [Slot] = []
            slots.reserveCapacity(request.events.count)
            let routes = request.routes
            for (index, event) in request.events.enumerated() {
                let route = routes[index]
                if index + Self.ahead < routes.count, let next = routes[index + Self.ahead].identity {
                    window.prepare(next, ahead: Self.ahead)
                }
                let batch: Int
                if let known = batchOf[route.partition] {
                    batch = known
                } else {
                    batch = batches.count
                    batchOf[route.partition] = batch
                    batches.append((route.partition, PartitionBatch()))
                }
                if let identity = route.identity, window.capacity > 0 {
                    let (place, isNew) = window.insert(identity)
                    if !isNew {
                        var number = (place - firstPlace + window.capacity) % window.capacity
                        // A commit larger than the window has gone around: the last to take the place is meant.
                        if number < batchOfNew.count {
                            number += (batchOfNew.count - 1 - number) / window.capacity * window.capacity
                        }
                        slots.append(.duplicate(ofBatch: number < batchOfNew.count ? batchOfNew[number] : nil))
                        continue
                    }
                    batchOfNew.append(batch)
                }
                slots.append(.stored(batch: batch, record: batches[batch].batch.records.count))
                batches[batch].batch.add(event, route.identity)
            }
            self.slots.append(slots)
        }
    }

    /// Takes back what did not become durable.
    func withdraw(_ results: [Result<UInt64, ChannelError>], from window: inout DuplicateWindow) {
        for (index, result) in results.enumerated() {
            guard case .failure = result else { continue }
            for identity in batches[index].batch.identities { window.withdraw(identity) }
        }
    }

    /// Answers every call.
    ///
    /// - Parameter results: for each batch the offset of its first record.
    func answer(_ results: [Result<UInt64, ChannelError>]) {
        for (request, slots) in zip(requests, slots) {
            request.continuation.resume(returning: outcome(slots, results))
        }
    }

    private func outcome(
        _ slots: [Slot], _ results: [Result<UInt64, ChannelError>]
    ) -> Result<[AppendOutcome], ChannelError> {
        var outcomes: [AppendOutcome] = []
        outcomes.reserveCapacity(slots.count)
        for slot in slots {
            switch slot {
            case .stored(let batch, let record):
                switch results[batch] {
                case .success(let first):
                    outcomes.append(
                        .appended(partition: batches[batch].partition, offset: first + UInt64(record)))
                case .failure(let error): return .failure(error)
                }
            case .duplicate(let batch):
                if let batch, case .failure(let error) = results[batch] { return .failure(error) }
                outcomes.append(.duplicate)
            }
        }
        return .success(outcomes)
    }
}
