/// The threads on which a store blocks; their number does not grow with channels or partitions.
struct LogThreads: Sendable {
    let writers: WorkerPool
    let readers: WorkerPool
}
