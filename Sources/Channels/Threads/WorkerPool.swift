import CLinux
import Glibc

/// A few threads that run blocking jobs, first come, first served.
///
/// The cooperative pool has as many threads as cores, so nothing that waits for a disk may run there. Threads are made
/// when there is work, at most `threads` of them, and end when the pool is stopped or goes.
package final class WorkerPool: Sendable {
    private let queue: JobQueue

    package init(name: String, threads: Int) {
        queue = JobQueue(name: name, limit: max(1, threads))
    }

    deinit { queue.stop() }

    /// Queues a job; it must not wait for another job of this pool.
    package func submit(_ job: @escaping @Sendable () -> Void) { queue.push(job) }

    /// Runs a job on one of the threads and returns what it returned.
    package func run<Success: Sendable>(_ job: @escaping @Sendable () -> Success) async -> Success {
        await withCheckedContinuation { continuation in
            queue.push { continuation.resume(returning: job()) }
        }
    }

    /// Whether jobs wait for a thread.
    package var hasWork: Bool { queue.hasWork }

    /// Lets the threads end when the queue is empty. Jobs submitted later still run, each on a new thread.
    package func stop() { queue.stop() }
}

/// The queue that the threads share; it outlives the pool until the last thread has ended.
///
/// Unchecked because the compiler cannot see that every access to the variables holds `mutex`.
private final class JobQueue: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let name: String
    private let limit: Int
    /// Those before `head` were taken and are `nil`.
    private var jobs: [(@Sendable () -> Void)?] = []
    private var head = 0
    private var running = 0
    private var idle = 0
    private var stopped = false

    init(name: String, limit: Int) {
        self.name = name
        self.limit = limit
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    func push(_ job: @escaping @Sendable () -> Void) {
        pthread_mutex_lock(mutex)
        jobs.append(job)
        if jobs.count - head > idle, running < limit {
            running += 1
            start()
        } else {
            pthread_cond_signal(condition)
        }
        pthread_mutex_unlock(mutex)
    }

    var hasWork: Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return head < jobs.count
    }

    func stop() {
        pthread_mutex_lock(mutex)
        stopped = true
        pthread_cond_broadcast(condition)
        pthread_mutex_unlock(mutex)
    }

    /// Called with the mutex held. When no thread can be made, the ones there are take the work; with none at all the
    /// process is out of threads and the job waits for the next push to try again.
    private func start() {
        var thread = pthread_t()
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        pthread_attr_setstacksize(&attributes, 512 << 10)
        let argument = Unmanaged.passRetained(self)
        let outcome = pthread_create(
            &thread, &attributes,
            { pointer in
                guard let pointer else { return nil }
                Unmanaged<JobQueue>.fromOpaque(pointer).takeRetainedValue().work()
                return nil
            }, argument.toOpaque())
        pthread_attr_destroy(&attributes)
        if outcome != 0 {
            argument.release()
            running -= 1
            pthread_cond_signal(condition)
        }
    }

    private func work() {
        weir_name_thread(name)
        // A job is let go of between two calls, without the mutex: it may hold the last reference to its owner, whose
        // end stops this very queue.
        while let job = next() { job() }
    }

    /// Waits for work; `nil` when there is none and none will come.
    private func next() -> (@Sendable () -> Void)? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while true {
            if head < jobs.count {
                let job = jobs[head]
                jobs[head] = nil
                head += 1
                if head == jobs.count {
                    jobs.removeAll(keepingCapacity: true)
                    head = 0
                } else if head >= 1024 {
                    jobs.removeFirst(head)
                    head = 0
                }
                return job
            }
            if stopped {
                running -= 1
                return nil
            }
            idle += 1
            pthread_cond_wait(condition, mutex)
            idle -= 1
        }
    }
}
