/// What a container writes, taken apart: its lines, and the marks with which runtime images end the log of a run.
struct ContainerLog {
    private var output = SentinelFilter()
    private var errors = SentinelFilter()
    private var collector: LogCollector
    private var frame = 0

    init(token: String, limit: Int64) {
        collector = LogCollector(token: token, limit: limit)
    }

    /// How many marks have come on both streams.
    var marks: Int { min(output.count, errors.count) }
    /// Whether any mark has ever come.
    var hasMarks: Bool { output.count > 0 || errors.count > 0 }

    /// Another call begins; what was written since the last one ended is counted to it.
    mutating func begin() {
        frame += 1
        collector.begin(frame: frame)
    }

    mutating func add(
        _ bytes: UnsafeRawBufferPointer, toError: Bool, time: Int64, observe: ((Int, Activation.LogLine) -> Void)?
    ) {
        // The collector is not part of what the filter may change meanwhile.
        var filter = toError ? errors : output
        filter.filter(bytes) { collector.add($0, toError: toError, time: time, observe: observe) }
        if toError { errors = filter } else { output = filter }
    }

    /// What the call wrote, taken out; unfinished lines are lines now.
    mutating func take(time: Int64, observe: ((Int, Activation.LogLine) -> Void)?) -> LogCollector.Lines? {
        collector.endLines(time: time, observe: observe)
        return collector.take(call: 0)
    }

    /// Nothing more will come: what was held back as the beginning of a mark is text.
    mutating func finish(time: Int64, observe: ((Int, Activation.LogLine) -> Void)?) {
        for toError in [false, true] {
            var filter = toError ? errors : output
            filter.finish { collector.add($0, toError: toError, time: time, observe: observe) }
            if toError { errors = filter } else { output = filter }
        }
    }
}
