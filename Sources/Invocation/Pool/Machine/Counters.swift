extension PoolMachine {
    /// What was decided so far.
    struct Counters: Sendable {
        /// Starts by way and cause.
        var starts: [Start: Int] = [:]
        /// Time from start to ready by way: how many, and milliseconds together.
        var readiness: [Activation.ColdStart.Way: (count: Int, milliseconds: Double)] = [:]
        var kills: [Reason: Int] = [:]
        /// Workers whose place was given to others though jobs waited for them.
        var handovers = 0
        var freezes = 0
        var failedStarts = 0
        /// Workers that were lost between stem or zygote and function.
        var lost = 0
        /// Stems and zygotes that became ready.
        var stems = 0
        private var means: [Activation.ColdStart.Way: MovingMean] = [:]

        struct Start: Hashable, Sendable {
            var way: Activation.ColdStart.Way
            var cause: String
        }

        mutating func note(started reason: StartReason) {
            starts[Start(way: reason.way.way, cause: reason.cause.word), default: 0] += 1
        }

        mutating func note(ready way: Activation.ColdStart.Way, milliseconds: Double) {
            let known = readiness[way] ?? (0, 0)
            readiness[way] = (known.count + 1, known.milliseconds + milliseconds)
            means[way, default: MovingMean(weight: 0.2)].add(milliseconds)
        }

        mutating func note(killed reason: Reason) { kills[reason, default: 0] += 1 }

        /// How long starts of a way took lately, milliseconds.
        func startTime(_ way: Activation.ColdStart.Way) -> Double? { means[way]?.value }
    }
}
