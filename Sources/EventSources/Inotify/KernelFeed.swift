import CLinux
import Foundation
import Glibc
import Synchronization

/// inotify, read by a thread of its own that waits in poll(2) and hands batches over a bounded queue.
///
/// When the queue is full the thread stops reading; the kernel's own queue then holds what comes, and says so when it
/// overflows.
package final class KernelFeed: WatchFeed {
    private let descriptor: Int32
    private let wake: Int32
    private let queue: RecordQueue
    private let closed = Mutex(false)

    /// - Parameter capacity: the most records that wait to be taken.
    package init(capacity: Int = 65_536) throws(SourceError) {
        let descriptor = weir_inotify_open()
        guard descriptor >= 0 else {
            throw errno == EMFILE
                ? SourceError(
                    .watchLimit,
                    "No inotify instance is left for this user: raise it with "
                        + "\"sysctl fs.inotify.max_user_instances=512\" or stop other watchers.")
                : SourceError(.ioFailure, "inotify cannot be used: \(String(cString: strerror(errno))).")
        }
        let wake = weir_wake_open()
        guard wake >= 0 else {
            Glibc.close(descriptor)
            throw SourceError(.ioFailure, "No descriptor is left: \(String(cString: strerror(errno))).")
        }
        let queue = RecordQueue(capacity: capacity, onSpace: { weir_wake(wake) })
        self.descriptor = descriptor
        self.wake = wake
        self.queue = queue
        let thread = Thread { Self.read(descriptor, wake: wake, into: queue) }
        thread.name = "weir-inotify"
        thread.start()
    }

    deinit { close() }

    package func watch(_ path: String, _ mask: InotifyMask) throws(WatchError) -> Int32 {
        let number = closed.withLock { closed -> Int32 in
            if closed { errno = EBADF }
            return closed ? -1 : weir_inotify_watch(descriptor, path, mask.rawValue)
        }
        guard number < 0 else { return number }
        switch errno {
        case ENOENT, ENOTDIR, ELOOP: throw .gone
        case EACCES, EPERM: throw .forbidden
        case ENOSPC: throw .limit
        case let code: throw .other(code)
        }
    }

    package func unwatch(_ watch: Int32) {
        closed.withLock { if !$0 { _ = weir_inotify_unwatch(descriptor, watch) } }
    }

    package func next(waitingAtMost limit: Duration?) async throws(SourceError) -> [InotifyRecord]? {
        try await queue.next(waitingAtMost: limit)
    }

    package func close() {
        closed.withLock {
            guard !$0 else { return }
            $0 = true
            // The thread closes both descriptors as its last act, so that no number is reused under it.
            queue.close()
            weir_wake(wake)
        }
    }

    private static func read(_ descriptor: Int32, wake: Int32, into queue: RecordQueue) {
        let size = 64 << 10
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 8)
        defer {
            buffer.deallocate()
            Glibc.close(descriptor)
            Glibc.close(wake)
        }
        // Says why and waits for the end, because the descriptors may be in use until then.
        func stop(_ call: String) {
            queue.fail(SourceError(.ioFailure, "\(call) on inotify: \(String(cString: strerror(errno)))."))
            while !queue.isClosed {
                if weir_poll2(wake, wake, 1_000) > 0 { weir_wake_reset(wake) }
            }
        }
        while !queue.isClosed {
            // Full: wait for the wake alone. It is watched twice because a second descriptor is asked for.
            let ready = weir_poll2(queue.hasSpace ? descriptor : wake, wake, -1)
            if ready < 0 {
                stop("poll(2)")
                return
            }
            if ready & 2 != 0 { weir_wake_reset(wake) }
            guard ready & 1 != 0, queue.hasSpace, !queue.isClosed else { continue }
            let count = Glibc.read(descriptor, buffer, size)
            if count > 0 {
                var records: [InotifyRecord] = []
                InotifyRecord.parse(UnsafeRawBufferPointer(start: buffer, count: count), into: &records)
                queue.push(records)
            } else if count < 0, errno != EAGAIN, errno != EINTR {
                stop("read(2)")
                return
            }
        }
    }
}
