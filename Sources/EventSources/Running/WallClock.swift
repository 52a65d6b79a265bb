import Glibc

/// The time of day, where nothing better is handed in.
package enum WallClock {
    /// Nanoseconds since 1970.
    package static func nanoseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// Milliseconds since 1970.
    package static func milliseconds() -> Int64 { nanoseconds() / 1_000_000 }
}
