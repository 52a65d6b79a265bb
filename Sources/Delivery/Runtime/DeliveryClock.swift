import Glibc

/// The time as delivery sees it, so that a test can move it.
package struct DeliveryClock: Sendable {
    /// Milliseconds since 1970.
    package var now: @Sendable () -> Int64
    /// Returns after so many milliseconds or when the task is cancelled.
    package var sleep: @Sendable (Int64) async -> Void

    package init(now: @escaping @Sendable () -> Int64, sleep: @escaping @Sendable (Int64) async -> Void) {
        self.now = now
        self.sleep = sleep
    }

    /// The system's clock.
    package static let system = DeliveryClock(
        now: {
            var time = timespec()
            clock_gettime(CLOCK_REALTIME, &time)
            return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
        },
        sleep: { try? await Task.sleep(for: .milliseconds($0)) })
}
