package import Channels
import DequeModule
import HeapModule

/// Decides for one subscription what is delivered when: order, batches, concurrency, retries, progress.
///
/// A value without clock, disk or network: what happens comes in by its methods with the time (milliseconds since 1970),
/// what must be done comes out. Its owner performs it and tells how it went.
package struct DeliveryMachine: Sendable {
    /// Some events that are to be delivered together, now.
    package struct Attempt: Sendable {
        package let id: UInt64
        package let items: [DeliveryItem]
    }

    /// An event that will not be delivered, and why. It is settled only when the owner says ``settled(_:)``.
    package struct DeadLetter: Sendable {
        package let item: DeliveryItem
        package let reason: String
    }

    /// How many events were delivered, tried again and given up.
    package struct Counts: Sendable, Hashable {
        package var delivered: UInt64 = 0
        package var retried: UInt64 = 0
        package var deadLettered: UInt64 = 0
    }

    private struct Retry: Comparable {
        let due: Int64
        let sequence: UInt64
        let item: DeliveryItem

        static func < (a: Retry, b: Retry) -> Bool { (a.due, a.sequence) < (b.due, b.sequence) }
        static func == (a: Retry, b: Retry) -> Bool { a.sequence == b.sequence }
    }

    package let policy: DeliveryPolicy
    /// The largest number of events of one attempt; the owner may tune it as it learns how long they take.
    package var batchSize: Int
    /// How many events may be taken on before ``wantsMore`` says no.
    package let capacity: Int
    package private(set) var counts = Counts()
    package var isPaused = false
    package private(set) var progress: [PartitionProgress]

    private var ready: Deque<DeliveryItem> = []
    /// When the oldest of `ready` became so: what `linger` is counted from.
    private var readySince: Int64 = 0
    private var retries = Heap<Retry>()
    private var inFlight: [UInt64: [DeliveryItem]] = [:]
    /// Keys with an unsettled event, and the events that wait behind it.
    private var keys: [UInt64: Deque<DeliveryItem>] = [:]
    private var waitingBehindKeys = 0
    private var givingUp = 0
    private var sequence: UInt64 = 0

    package init(policy: DeliveryPolicy, progress: [PartitionProgress], capacity: Int = 4096) {
        self.policy = policy
        self.progress = progress
        self.capacity = max(capacity, policy.batchSize * 2)
        batchSize = policy.batchSize
    }

    // MARK: What is there

    /// Events taken on and not settled.
    package var pending: Int { ready.count + retries.count + inFlightCount + waitingBehindKeys + givingUp }
    package private(set) var inFlightCount = 0
    package var wantsMore: Bool { pending < capacity && !isPaused }
    package var isIdle: Bool { pending == 0 }

    /// When the machine must be asked again although nothing happened: a retry falls due, a batch has lingered.
    package func nextWake(now: Int64) -> Int64? {
        guard !isPaused else { return nil }
        var wake = retries.min?.due
        if !ready.isEmpty, inFlight.count < policy.concurrency, policy.linger > 0 {
            wake = min(wake ?? .max, readySince + policy.linger)
        }
        return wake.map { max($0, now) }
    }

    // MARK: What happens

    /// Takes on events of one partition, in rising order of offsets; `key` is asked only when order matters.
    package mutating func offer(_ batch: RecordBatch, indices: some Sequence<Int>, now: Int64, key: (Int) -> UInt64) {
        let partition = batch.partition
        for index in indices {
            let offset = batch.entries[index].offset
            guard offset >= progress[partition].position, !progress[partition].wasSettled(offset) else { continue }
            progress[partition].take(offset)
            guard policy.order == .key else {
                makeReady(DeliveryItem(batch: batch, index: index), now)
                continue
            }
            let item = DeliveryItem(batch: batch, index: index, key: key(index))
            if keys[item.key]?.append(item) == nil {
                keys[item.key] = []
                makeReady(item, now)
            } else {
                waitingBehindKeys += 1
            }
        }
    }

    /// Says that everything of a partition below an offset was offered or does not match.
    package mutating func pass(partition: Int, upTo offset: UInt64) {
        progress[partition].pass(upTo: offset)
    }

    /// What is to be delivered now, and what has expired.
    package mutating func due(now: Int64) -> (attempts: [Attempt], expired: [DeadLetter]) {
        guard !isPaused else { return ([], []) }
        while let next = retries.min, next.due <= now {
            makeReady(retries.removeMin().item, now)
        }
        var attempts: [Attempt] = []
        var expired: [DeadLetter] = []
        while inFlight.count < policy.concurrency, !ready.isEmpty,
            ready.count >= batchSize || policy.linger == 0 || now - readySince >= policy.linger
        {
            var items: [DeliveryItem] = []
            while items.count < batchSize, let item = ready.popFirst() {
                if let expiry = policy.expiry, now - item.appended > expiry {
                    givingUp += 1
                    expired.append(DeadLetter(item: item, reason: "expired before it could be delivered"))
                } else {
                    items.append(item)
                }
            }
            readySince = now
            guard !items.isEmpty else { continue }
            sequence += 1
            inFlight[sequence] = items
            inFlightCount += items.count
            attempts.append(Attempt(id: sequence, items: items))
        }
        return (attempts, expired)
    }

    /// Takes the outcomes of an attempt, one an item.
    ///
    /// - Parameter random: a number in 0..<1, asked for each retry, for the jitter.
    /// - Returns: what is given up: to be written to the dead letters, then settled.
    package mutating func finished(
        _ id: UInt64, _ outcomes: [DeliveryOutcome], now: Int64, random: () -> Double
    ) -> [DeadLetter] {
        guard let items = inFlight.removeValue(forKey: id) else { return [] }
        inFlightCount -= items.count
        var letters: [DeadLetter] = []
        for (index, item) in items.enumerated() {
            let outcome = index < outcomes.count ? outcomes[index] : .failed(reason: "the sink gave no answer")
            switch outcome {
            case .delivered:
                counts.delivered += 1
                settle(item, now)
            case .rejected(let reason):
                givingUp += 1
                letters.append(DeadLetter(item: item, reason: reason))
            case .failed(let reason, let after):
                guard item.attempt < policy.attempts else {
                    givingUp += 1
                    letters.append(DeadLetter(item: item, reason: reason))
                    continue
                }
                counts.retried += 1
                sequence += 1
                let wait = max(after ?? 0, backoff(attempt: item.attempt, random()))
                var again = item
                again.attempt += 1
                retries.insert(Retry(due: now + wait, sequence: sequence, item: again))
            }
        }
        return letters
    }

    /// The dead letter of an event is written: the event is settled.
    package mutating func settled(_ letter: DeadLetter, now: Int64) {
        givingUp -= 1
        counts.deadLettered += 1
        settle(letter.item, now)
    }

    // MARK: Inside

    private mutating func makeReady(_ item: DeliveryItem, _ now: Int64) {
        if ready.isEmpty { readySince = now }
        ready.append(item)
    }

    private mutating func settle(_ item: DeliveryItem, _ now: Int64) {
        progress[item.partition].settle(item.offset)
        guard policy.order == .key else { return }
        if let next = keys[item.key]?.popFirst() {
            waitingBehindKeys -= 1
            makeReady(next, now)
        } else {
            keys[item.key] = nil
        }
    }

    /// "Full jitter": evenly between 0 and the doubled backoff.
    private func backoff(attempt: Int, _ random: Double) -> Int64 {
        let doubled = Double(policy.backoff) * Double(UInt64(1) << UInt64(min(attempt - 1, 40)))
        return Int64(random * min(doubled, Double(policy.maximumBackoff)))
    }
}
