/// Time as a source needs it; tests hand in their own.
package struct SourceClock: Sendable {
    /// The time of day in nanoseconds since 1970.
    package var wall: @Sendable () -> Int64
    /// Nanoseconds that only grow, for waiting.
    package var steady: @Sendable () -> Int64

    package init(wall: @escaping @Sendable () -> Int64, steady: @escaping @Sendable () -> Int64) {
        self.wall = wall
        self.steady = steady
    }

    package static let system: SourceClock = {
        let origin = ContinuousClock.now
        return SourceClock(
            wall: WallClock.nanoseconds,
            steady: {
                let (seconds, attoseconds) = (ContinuousClock.now - origin).components
                return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
            })
    }()
}
