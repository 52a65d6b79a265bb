package import CloudEvents
package import Channels

/// A place in a channel: for each partition the offset that is read next.
package struct ChannelPosition: Sendable, Hashable {
    package struct Partition: Sendable, Hashable {
        package var partition: Int
        package var next: UInt64

        package init(partition: Int, next: UInt64) {
            self.partition = partition
            self.next = next
        }
    }

    /// Sorted by partition; partitions that are not named are not read.
    package private(set) var partitions: [Partition]

    package init(_ partitions: [Partition]) {
        self.partitions = partitions.sorted { $0.partition < $1.partition }
    }

    package subscript(partition: Int) -> UInt64? {
        get { partitions.first { $0.partition == partition }?.next }
        set {
            partitions.removeAll { $0.partition == partition }
            guard let newValue else { return }
            let index = partitions.firstIndex { $0.partition > partition } ?? partitions.endIndex
            partitions.insert(Partition(partition: partition, next: newValue), at: index)
        }
    }

    /// `0:13,1:5`: partition and the offset that is read next.
    package var text: String { partitions.map { "\($0.partition):\($0.next)" }.joined(separator: ",") }

    /// Reads ``text``; `nil` when it is none.
    package init?(_ text: String) {
        guard let partitions = Self.pairs(text) else { return nil }
        self.init(partitions)
    }

    /// The `id` of an event in a stream: `partition:offset` of the event itself, then, when the channel has more
    /// partitions, the last offset that was passed in each of the others. Partitions that are not named have been read
    /// from their beginning and nothing was there yet.
    package func streamID(partition: Int?) -> String {
        var parts: [String] = []
        if let partition, let next = self[partition], next > 0 { parts.append("\(partition):\(next - 1)") }
        for one in partitions where one.partition != partition && one.next > 0 {
            parts.append("\(one.partition):\(one.next - 1)")
        }
        return parts.joined(separator: ",")
    }

    /// Reads a ``streamID(partition:)``: the position behind it, within the partitions of `all`.
    package init?(streamID text: String, of all: [Int]) {
        guard let passed = Self.pairs(text) else { return nil }
        var position = ChannelPosition(all.map { Partition(partition: $0, next: 0) })
        for one in passed {
            guard all.contains(one.partition), one.next < UInt64.max else { return nil }
            position[one.partition] = one.next + 1
        }
        self = position
    }

    private static func pairs(_ text: String) -> [Partition]? {
        var found: [Partition] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let halves = part.split(separator: ":", omittingEmptySubsequences: false)
            guard halves.count == 2, let partition = Int(halves[0]), partition >= 0, let offset = UInt64(halves[1]),
                !found.contains(where: { $0.partition == partition })
            else { return nil }
            found.append(Partition(partition: partition, next: offset))
        }
        return found
    }
}

/// Where reading begins.
package enum StartPosition: Sendable, Hashable {
    case earliest
    /// Behind the newest event that is there now.
    case latest
    /// The first event appended at or after this time, in milliseconds since 1970.
    case time(Int64)
    /// An offset, in the one partition that is read.
    case offset(UInt64)
}

/// Which events are wanted, seen through the caller's scope.
package struct EventSelection: Sendable {
    package var scope: ReadScope
    /// `nil`: all of them.
    package var filter: CompiledFilter?

    package init(scope: ReadScope, filter: CompiledFilter? = nil) {
        self.scope = scope
        self.filter = filter
    }

    /// Whether an event is wanted and may be seen.
    package func matches(_ event: EventView) -> Bool { scope.permits(event) && filter?.matches(event) ?? true }
}

/// One request for events.
package struct EventQuery: Sendable {
    package var namespace: String
    package var channel: String
    package var position: ChannelPosition
    /// How many events are wanted at most.
    package var limit: Int
    package var selection: EventSelection

    package init(
        namespace: String, channel: String, position: ChannelPosition, limit: Int, selection: EventSelection
    ) {
        self.namespace = namespace
        self.channel = channel
        self.position = position
        self.limit = limit
        self.selection = selection
    }
}

/// An event and where it stands.
package struct PositionedEvent: Sendable, Hashable {
    package var partition: Int
    package var offset: UInt64
    /// When it was appended, in milliseconds since 1970.
    package var appended: Int64
    package var record: EventRecord

    package init(partition: Int, offset: UInt64, appended: Int64, record: EventRecord) {
        self.partition = partition
        self.offset = offset
        self.appended = appended
        self.record = record
    }
}

/// What one read brought.
package struct EventPage: Sendable {
    /// In order within each partition.
    package var events: [PositionedEvent]
    /// Behind everything that was looked at, matching or not; at least one record further than asked unless `isAtEnd`.
    package var position: ChannelPosition
    /// What cannot be read any more, by partition.
    package var gaps: [Gap]
    /// Whether nothing is left to look at now.
    package var isAtEnd: Bool

    package struct Gap: Sendable, Hashable {
        package var partition: Int
        package var gap: RecordBatch.Gap

        package init(partition: Int, gap: RecordBatch.Gap) {
            self.partition = partition
            self.gap = gap
        }
    }

    package init(events: [PositionedEvent], position: ChannelPosition, gaps: [Gap] = [], isAtEnd: Bool) {
        self.events = events
        self.position = position
        self.gaps = gaps
        self.isAtEnd = isAtEnd
    }
}
