/// How long to wait before a failed source is started again: twice as long each time, and from the beginning again when
/// it has worked for a while.
package struct RestartMachine: Sendable, Hashable {
    /// Nanoseconds.
    package static let first: Int64 = 250_000_000
    package static let longest: Int64 = 30_000_000_000
    /// A run as long as this, without a failure, clears the past.
    package static let healthy: Int64 = 60_000_000_000

    private var failures = 0

    package init() {}

    /// The run ended with a failure after it had worked for a time (nanoseconds).
    ///
    /// - Returns: how long to wait, in nanoseconds.
    package mutating func failed(afterWorking time: Int64) -> Int64 {
        if time >= Self.healthy { failures = 0 }
        defer { failures += 1 }
        return min(Self.first << min(failures, 16), Self.longest)
    }
}
