import Synchronization

/// The status of one source, written by the source and read by whoever asks.
package final class SourceReport: Sendable {
    private let status: Mutex<SourceStatus>
    private let now: @Sendable () -> Int64
    private static let maximumNotes = 20

    /// - Parameter now: milliseconds since 1970.
    package init(now: @escaping @Sendable () -> Int64 = WallClock.milliseconds) {
        status = Mutex(SourceStatus())
        self.now = now
    }

    package var snapshot: SourceStatus { status.withLock { $0 } }

    package func change(_ body: (inout SourceStatus) -> Void) {
        status.withLock { body(&$0) }
    }

    package func running() { change { $0.state = .running } }

    /// Says why it does not work; the time of the first failure stays until it works again.
    package func failing(_ why: String) {
        let time = now()
        change {
            if case .failing(_, let since) = $0.state {
                $0.state = .failing(why: why, since: since)
            } else {
                $0.state = .failing(why: why, since: time)
            }
        }
    }

    package func note(_ text: String) {
        change {
            $0.notes.removeAll { $0 == text }
            $0.notes.append(text)
            if $0.notes.count > Self.maximumNotes { $0.notes.removeFirst() }
        }
    }

    package func appended(_ events: Int, duplicates: Int, lastEventTime: Int64?) {
        let time = now()
        change {
            $0.counts.events += Int64(events)
            $0.counts.duplicates += Int64(duplicates)
            $0.lastAppend = time
            if let lastEventTime { $0.lastEventTime = lastEventTime }
        }
    }
}
