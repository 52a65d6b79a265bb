package import Channels
package import CloudEvents

/// Where a source's events go: its channel, and its dead letters for what cannot be read.
///
/// Appending waits, so a source reads no faster than the channel takes.
package struct SourceOutput: Sendable {
    package let channel: any Channel
    package let deadLetters: any Channel
    package let report: SourceReport
    /// The most events of one call.
    package static let batchLimit = 1024
    /// How long to wait before the next try when the disk is full.
    private let fullDiskPause: Duration

    package init(
        channel: any Channel, deadLetters: any Channel, report: SourceReport, fullDiskPause: Duration = .seconds(2)
    ) {
        self.channel = channel
        self.deadLetters = deadLetters
        self.report = report
        self.fullDiskPause = fullDiskPause
    }

    /// Appends events in their order and returns when they are durable.
    ///
    /// A full disk is waited out; an event that no record can hold goes to the dead letters.
    package func publish(_ events: [EventRecord]) async throws {
        var start = 0
        while start < events.count {
            let end = min(start + Self.batchLimit, events.count)
            let part = start == 0 && end == events.count ? events : Array(events[start..<end])
            start = end
            let outcomes: [AppendOutcome]
            do {
                outcomes = try await append(part, to: channel)
            } catch {
                guard let failure = error as? ChannelError, failure.code == .recordTooLarge else { throw error }
                if part.count == 1 {
                    try await publish(unreadable: [Unreadable(tooLarge: part[0], reason: failure.message).event])
                } else {
                    for one in part { try await publish([one]) }
                }
                continue
            }
            let duplicates = outcomes.count { $0 == .duplicate }
            let time = part.last?.withView { $0.string("time").flatMap { EventTime($0) }?.milliseconds }
            report.appended(outcomes.count - duplicates, duplicates: duplicates, lastEventTime: time ?? nil)
        }
    }

    /// Appends to the dead letters what could not be read.
    package func publish(unreadable events: [EventRecord]) async throws {
        var start = 0
        while start < events.count {
            let end = min(start + Self.batchLimit, events.count)
            let outcomes = try await append(Array(events[start..<end]), to: deadLetters)
            let new = outcomes.count { $0 != .duplicate }
            report.change { $0.counts.unreadable += Int64(new) }
            start = end
        }
    }

    private func append(_ events: [EventRecord], to channel: any Channel) async throws -> [AppendOutcome] {
        while true {
            switch await attempt(events, channel) {
            case .success(let outcomes): return outcomes
            case .failure(let error):
                guard error.code == .diskFull || error.code == .unavailable else { throw error }
                report.failing(error.message)
                try await Task.sleep(for: fullDiskPause)
                // Whether it works again shows with the next append; a source that appends is running.
                report.running()
            }
        }
    }

    private func attempt(_ events: [EventRecord], _ channel: any Channel) async -> Result<[AppendOutcome], ChannelError>
    {
        do {
            return .success(try await channel.append(events))
        } catch {
            return .failure(error)
        }
    }
}
