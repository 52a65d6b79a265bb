import Synchronization

/// A number that only grows. Adding costs one atomic operation; keep the handle.
package final class Counter: Sendable {
    private let count = Atomic<UInt64>(0)

    package init() {}

    package func add(_ amount: UInt64 = 1) { count.wrappingAdd(amount, ordering: .relaxed) }
    package var value: UInt64 { count.load(ordering: .relaxed) }
}

/// A number that goes up and down.
package final class Gauge: Sendable {
    private let bits = Atomic<UInt64>(0)

    package init() {}

    package func set(_ value: Double) { bits.store(value.bitPattern, ordering: .relaxed) }
    package func add(_ amount: Double) {
        var old = bits.load(ordering: .relaxed)
        while true {
            let new = (Double(bitPattern: old) + amount).bitPattern
            let (exchanged, original) = bits.compareExchange(expected: old, desired: new, ordering: .relaxed)
            if exchanged { return }
            old = original
        }
    }
    package var value: Double { Double(bitPattern: bits.load(ordering: .relaxed)) }
}

/// How often a measure fell below each of a few bounds.
package final class Histogram: Sendable {
    /// Upper bounds, rising, without the infinite one.
    package let bounds: [Double]
    private let state: Mutex<State>

    struct State {
        var counts: [UInt64]
        var sum: Double = 0
    }

    /// Seconds from 100 µs to 10 s, for requests.
    package static let requestBounds = [0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10]

    package init(bounds: [Double] = Histogram.requestBounds) {
        self.bounds = bounds
        state = Mutex(State(counts: Array(repeating: 0, count: bounds.count + 1)))
    }

    package func observe(_ value: Double) {
        let index = bounds.firstIndex { value <= $0 } ?? bounds.count
        state.withLock {
            $0.counts[index] += 1
            $0.sum += value
        }
    }

    /// Counts per bucket (the last is what lies above all bounds) and the sum of all that was observed.
    package var snapshot: (counts: [UInt64], sum: Double) { state.withLock { ($0.counts, $0.sum) } }
}
