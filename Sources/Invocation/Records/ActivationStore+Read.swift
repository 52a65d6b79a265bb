package import Channels
internal import CloudEvents

extension ActivationStore {
    /// How many records one step of a list looks at.
    private static var window: UInt64 { 1_024 }

    /// One activation by its id; `nil` when there is none, or it is no longer kept.
    package func get(_ id: String) async throws(ChannelError) -> Activation? {
        guard let start = ActivationIDs.milliseconds(of: id) else { return nil }
        if let record = recent(id) { return record.withView { ActivationDecoder.activation($0) } }
        // It was written after it had started; a minute less, as clocks are set back at times.
        var offset = try await channel.offset(partition: 0, atOrAfter: start - 60_000)
        while true {
            let batch = try await channel.read(partition: 0, from: offset, limit: ReadLimit())
            guard batch.nextOffset > offset else { return nil }
            for index in 0..<batch.count {
                let found = batch.withView(at: index) { view -> Activation? in
                    guard view.attribute("id")?.elementsEqual(id.utf8) ?? false else { return nil }
                    return ActivationDecoder.activation(view)
                }
                if let found { return found }
            }
            if let last = batch.entries.last, last.appended > start + configuration.longestRun { return nil }
            offset = batch.nextOffset
        }
    }

    /// Activations that pass a filter, newest first. What is recorded when the call is made is found.
    ///
    /// - Parameter cursor: that of the page before; one that is not ours begins anew.
    package func list(
        _ filter: ActivationFilter = ActivationFilter(), limit: Int = 100, cursor: String? = nil
    ) async throws(ChannelError) -> ActivationPage {
        if cursor == nil { await flush() }
        let bounds = channel.bounds(ofPartition: 0)
        var end = min(cursor.flatMap { UInt64($0) } ?? bounds.next, bounds.next)
        var page: [Activation] = []
        while end > bounds.first {
            let start = max(bounds.first, end > Self.window ? end - Self.window : 0)
            let (found, newest) = try await matching(filter, start..<end)
            for (offset, activation) in found.reversed() {
                // Known by one more than is shown, so that the last page says that it is the last.
                if page.count == limit { return ActivationPage(activations: page, cursor: String(offset + 1)) }
                page.append(activation)
            }
            // What was appended before `since` had started before it, too.
            if let since = filter.since, let newest, newest < since - 60_000 { break }
            end = start
        }
        return ActivationPage(activations: page, cursor: nil)
    }

    /// The matching activations of a range of offsets in their order, and the time at which its last record was written.
    private func matching(
        _ filter: ActivationFilter, _ range: Range<UInt64>
    ) async throws(ChannelError) -> (found: [(UInt64, Activation)], newest: Int64?) {
        var found: [(UInt64, Activation)] = []
        var newest: Int64?
        var offset = range.lowerBound
        while offset < range.upperBound {
            let limit = ReadLimit(records: Int(range.upperBound - offset), bytes: 4 << 20)
            let batch = try await channel.read(partition: 0, from: offset, limit: limit)
            guard batch.nextOffset > offset else { break }
            for (index, entry) in batch.entries.enumerated() where entry.offset < range.upperBound {
                newest = entry.appended
                let activation = batch.withView(at: index) {
                    filter.matches($0) ? ActivationDecoder.activation($0) : nil
                }
                if let activation { found.append((entry.offset, activation)) }
            }
            offset = batch.nextOffset
        }
        return (found, newest)
    }
}
