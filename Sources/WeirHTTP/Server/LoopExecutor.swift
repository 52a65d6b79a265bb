internal import NIOCore

/// Runs a request's tasks on the event loop of its connection.
///
/// A short call then changes threads only where it must, to its worker and back: each further change costs a wake-up of
/// some tens of microseconds, which is most of a warm call. What runs here must not block.
final class LoopExecutor: TaskExecutor {
    private let eventLoop: any EventLoop

    init(_ eventLoop: any EventLoop) { self.eventLoop = eventLoop }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        eventLoop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
