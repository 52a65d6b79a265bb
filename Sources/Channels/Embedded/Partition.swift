import Synchronization

/// One partition of an embedded channel: a folder of segments.
///
/// `writer` is held by whoever writes, one at a time, and over disk calls; `state` is held for moments only and is what
/// readers see: it moves on when bytes are on disk, never before.
final class Partition: Sendable {
    struct State {
        /// The oldest offset that retention has left.
        var floor: UInt64
        /// In the order of their offsets; the last is the one that is written to.
        var segments: [Segment]
        /// The index of the last segment.
        var index: IndexBuilder
        /// Where the durable bytes of the last segment end.
        var position: Int
        /// The offset of the next record.
        var next: UInt64
        var lastAppended: Int64
        var cursors = Cursors()
        var waiters = Waiters()

        var bytes: UInt64 {
            segments.reduce(UInt64(position)) { $0 + UInt64($1.summary?.size ?? 0) }
        }
    }

    struct Writer {
        /// Of the last segment; behind `records` when they were not wanted for a while, and then of no use.
        var identities: IdentityFile.Writer
        /// Records in the last segment.
        var records: Int
        /// When the first record of the last segment was appended.
        var firstAppended: Int64?
        /// Why nothing can be written any more, once so.
        var failure: ChannelError?

        var hasAllIdentities: Bool { identities.isWhole && identities.count == records }
    }

    let number: Int
    let directory: String
    let environment: PartitionEnvironment
    let state: Mutex<State>
    let writer: Mutex<Writer>

    init(number: Int, directory: String, environment: PartitionEnvironment, state: State, writer: Writer) {
        self.number = number
        self.directory = directory
        self.environment = environment
        self.state = Mutex(state)
        self.writer = Mutex(writer)
    }

    func path(_ base: UInt64, _ suffix: String = Segment.logSuffix) -> String {
        "\(directory)/\(Segment.stem(base))\(suffix)"
    }

    var bounds: OffsetBounds {
        state.withLock { OffsetBounds(first: $0.floor, next: $0.next, bytes: $0.bytes) }
    }

    /// Returns when there is a record at or after `offset`, the task is cancelled or the channel is closed.
    func waitForRecords(from offset: UInt64) async {
        let ticket = state.withLock { $0.waiters.ticket() }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let now = state.withLock { state in
                    state.waiters.add(ticket, offset: offset, next: state.next, continuation)
                }
                if now { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiters.cancel(ticket) }?.resume()
        }
        state.withLock { $0.waiters.forget(ticket) }
    }

    /// Lets all waiters go, and those that come.
    func close() {
        for waiter in state.withLock({ $0.waiters.close() }) { waiter.resume() }
    }
}
