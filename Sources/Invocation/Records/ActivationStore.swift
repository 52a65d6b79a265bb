package import Channels
internal import CloudEvents
internal import DequeModule
package import Logging
internal import Synchronization

/// Keeps activations: in a channel of one partition, written in the background in batches, and the last ones in memory.
///
/// How long they are kept is the channel's retention. Its duplicate window should be 0: every id is new.
package final class ActivationStore: Sendable {
    /// How much is kept in memory.
    package struct Configuration: Sendable {
        /// How many of the last activations are answered from memory.
        package var recentCount = 1_024
        package var recentBytes = 16 << 20
        /// How much may wait to be written before the oldest of it is given up (the disk is full or stands still).
        package var pendingBytes = 64 << 20
        /// How long the first activation of a batch waits for more.
        package var linger: Duration = .milliseconds(50)
        /// How long a function may run at most, milliseconds: how far a search for an id goes.
        package var longestRun: Int64 = 25 * 3_600_000

        package init() {}
    }

    let channel: any Channel
    let configuration: Configuration
    private let logger: Logger
    private let state: Mutex<State>

    private struct State {
        var encoder = ActivationEncoder()
        /// The last ones, oldest first.
        var recent: Deque<EventRecord> = []
        var recentBytes = 0
        /// Not written yet, oldest first.
        var pending: [EventRecord] = []
        var pendingBytes = 0
        /// Being written now.
        var writing: [EventRecord] = []
        var isDraining = false
        /// Whoever waits for everything recorded so far.
        var waiting: [CheckedContinuation<Void, Never>] = []
        var dropped = 0
        var failure: ChannelError?
    }

    package init(channel: any Channel, configuration: Configuration = Configuration(), logger: Logger) {
        self.channel = channel
        self.configuration = configuration
        self.logger = logger
        state = Mutex(State())
    }

    /// How many activations were given up because they could not be written.
    package var droppedCount: Int { state.withLock { $0.dropped } }
    /// Why the last write failed; `nil` when it did not.
    package var failure: ChannelError? { state.withLock { $0.failure } }

    /// Keeps activations; returns at once. Those of one id in a row (calls that shared a batch) are kept as one.
    package func record(_ activations: [Activation]) {
        guard !activations.isEmpty else { return }
        let mustStart = state.withLock { state in
            encode(activations, &state)
            defer { state.isDraining = true }
            return !state.isDraining
        }
        if mustStart { Task { await drain(afterLinger: true) } }
    }

    /// Keeps activations and returns when they, and all before them, are on disk or have been given up.
    package func recordAndWait(_ activations: [Activation]) async {
        record(activations)
        await flush()
    }

    /// Returns when everything recorded so far is on disk, or one attempt to write it has failed.
    package func flush() async {
        await withCheckedContinuation { continuation in
            let mustWait = state.withLock { state in
                guard state.isDraining else { return false }
                state.waiting.append(continuation)
                return true
            }
            if !mustWait { continuation.resume() }
        }
    }

    private func encode(_ activations: [Activation], _ state: inout State) {
        var index = 0
        while index < activations.count {
            var end = index + 1
            while end < activations.count, activations[end].id == activations[index].id { end += 1 }
            let record = state.encoder.encode(activations[index], calls: end - index)
            index = end
            state.pending.append(record)
            state.pendingBytes += record.bytes.count
            state.recent.append(record)
            state.recentBytes += record.bytes.count
        }
        while state.recent.count > configuration.recentCount || state.recentBytes > configuration.recentBytes,
            let oldest = state.recent.popFirst()
        {
            state.recentBytes -= oldest.bytes.count
        }
        guard state.pendingBytes > configuration.pendingBytes else { return }
        var cut = 0
        while state.pendingBytes > configuration.pendingBytes / 2, cut < state.pending.count {
            state.pendingBytes -= state.pending[cut].bytes.count
            cut += 1
        }
        state.pending.removeFirst(cut)
        state.dropped += cut
    }

    /// Writes until nothing waits. At most one runs.
    private func drain(afterLinger: Bool) async {
        var delay: Duration = configuration.linger
        while true {
            // Someone who waits for the disk should not wait for more to come.
            if !state.withLock({ !$0.waiting.isEmpty && $0.failure == nil }) { try? await Task.sleep(for: delay) }
            delay = configuration.linger
            let batch = state.withLock { state in
                state.writing = state.pending
                state.pending = []
                state.pendingBytes = 0
                return state.writing
            }
            var failure: ChannelError?
            do throws(ChannelError) {
                if !batch.isEmpty { _ = try await channel.append(batch) }
            } catch {
                failure = error
                delay = .seconds(1)
                logger.error("activations cannot be written", metadata: ["reason": "\(error.message)"])
            }
            let (isDone, waiting) = settle(failure, batch)
            for one in waiting { one.resume() }
            if isDone { return }
        }
    }

    private func settle(
        _ failure: ChannelError?, _ batch: [EventRecord]
    ) -> (isDone: Bool, waiting: [CheckedContinuation<Void, Never>]) {
        state.withLock { state in
            state.failure = failure
            state.writing = []
            if failure?.code == .closed || failure?.code == .recordTooLarge {
                // Trying again would change nothing.
                state.dropped += batch.count
            } else if failure != nil {
                state.pending = batch + state.pending
                state.pendingBytes += batch.reduce(0) { $0 + $1.bytes.count }
            }
            let isDone = state.pending.isEmpty
            if isDone { state.isDraining = false }
            guard isDone || failure != nil else { return (isDone, []) }
            defer { state.waiting = [] }
            return (isDone, state.waiting)
        }
    }

    /// The record of an id, if it is in memory.
    func recent(_ id: String) -> EventRecord? {
        state.withLock { state in
            func matches(_ record: EventRecord) -> Bool {
                record.withView { $0.attribute("id")?.elementsEqual(id.utf8) ?? false }
            }
            return state.recent.last(where: matches) ?? state.pending.last(where: matches)
                ?? state.writing.last(where: matches)
        }
    }
}
