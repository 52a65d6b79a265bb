import EventSources
import Synchronization

/// The kernel's news, with some of them lost on request, as when its queue overflows.
final class LossyFeed: WatchFeed {
    private struct State {
        var dropping = false
        /// Files whose closing was lost.
        var dropped: Set<String> = []
        var overflow = false
        var limit = Int.max
        var watches = 0
    }

    private let kernel: KernelFeed
    private let state = Mutex(State())

    init() throws(SourceError) { kernel = try KernelFeed() }

    /// From now on news are lost.
    func startDropping() { state.withLock { $0.dropping = true } }

    /// News come again; the first is that some were lost.
    func overflow() {
        state.withLock {
            $0.dropping = false
            $0.overflow = true
        }
    }

    /// How many directories may be watched.
    func limitWatches(to limit: Int) { state.withLock { $0.limit = limit } }

    var dropped: Set<String> { state.withLock { $0.dropped } }

    func watch(_ path: String, _ mask: InotifyMask) throws(WatchError) -> Int32 {
        let isLimit = state.withLock { state in
            state.watches += 1
            return state.watches > state.limit
        }
        if isLimit { throw .limit }
        return try kernel.watch(path, mask)
    }

    func unwatch(_ watch: Int32) { kernel.unwatch(watch) }

    func next(waitingAtMost limit: Duration?) async throws(SourceError) -> [InotifyRecord]? {
        while true {
            let overflow = state.withLock { state in
                defer { state.overflow = false }
                return state.overflow
            }
            if overflow { return [InotifyRecord(watch: -1, mask: .overflow)] }
            guard let records = try await kernel.next(waitingAtMost: .milliseconds(5)) else { return nil }
            let isDropped = state.withLock { state in
                if state.dropping {
                    for record in records where record.mask.contains(.closeWrite) {
                        state.dropped.insert(String(decoding: record.name, as: UTF8.self))
                    }
                }
                return state.dropping
            }
            if !isDropped, !records.isEmpty || limit != nil { return records }
            if Task.isCancelled { return [] }
        }
    }

    func close() { kernel.close() }
}
