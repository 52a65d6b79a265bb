internal import Glibc

/// A mean in which the last values count most.
struct MovingMean: Sendable, Equatable {
    /// What a new value counts, 0 … 1; the first values count as in a plain mean.
    private let weight: Double
    private var seen = 0
    private(set) var value: Double?

    init(weight: Double = 0.1) { self.weight = weight }

    mutating func add(_ new: Double) {
        seen = min(seen + 1, 1_000)
        guard let old = value else {
            value = new
            return
        }
        value = old + (new - old) * max(weight, 1 / Double(seen))
    }
}

/// How often something comes, counted with a memory that fades.
struct ArrivalRate: Sendable, Equatable {
    /// How long the memory lasts, milliseconds: after that an arrival counts a third.
    static var memory: Double { 10_000 }

    private var weight = 0.0
    private var last: Int64 = 0

    mutating func note(_ now: Int64, count: Int = 1) {
        weight = faded(now) + Double(count)
        last = now
    }

    /// Arrivals a millisecond.
    func perMillisecond(_ now: Int64) -> Double { faded(now) / Self.memory }

    private func faded(_ now: Int64) -> Double {
        weight == 0 ? 0 : weight * exp(-Double(max(0, now - last)) / Self.memory)
    }
}
