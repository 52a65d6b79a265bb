internal import CloudEvents
internal import Manifest

/// The keys `concurrency`, `concurrentEvents`, `scale` and `limit` of a function.
extension FunctionVersion.Limits {
    private enum Range {
        static let workers = 1...1024
        static let runs = 1...1_000_000
        static let events = 1...256
        static let idle = Int64(0)...(7 * 86_400_000)
        static let burst = Int64(0)...3_600_000
    }

    mutating func readScaling(_ reader: inout DocumentReader) throws(DocumentError) {
        let workers = try reader.integer("concurrency", in: Range.workers)
        if let workers { concurrency = workers }
        scaling.concurrentEvents = try reader.integer("concurrentEvents", in: Range.events) ?? 1
        if var scale = try reader.object("scale") { try read(scale: &scale, workers) }
        if var limit = try reader.object("limit") { try read(limit: &limit) }
    }

    private mutating func read(scale: inout DocumentReader, _ workers: Int?) throws(DocumentError) {
        if let maximum = try scale.integer("max", in: Range.workers) {
            guard workers == nil || workers == maximum else {
                throw DocumentError(
                    path: scale.path(of: "max"),
                    message: "this is the same as \"concurrency\", which says something else: leave one of them out")
            }
            concurrency = maximum
        }
        if let minimum = try scale.integer("min", in: 0...Range.workers.upperBound) {
            guard minimum <= concurrency else {
                throw DocumentError(
                    path: scale.path(of: "min"), message: "\(minimum) is more than the \(concurrency) that are allowed")
            }
            scaling.minimum = minimum
        }
        if let idle = try scale.duration("idle") {
            scaling.idle = try Self.check(idle, Range.idle, scale.path(of: "idle"))
        }
        if let burst = try scale.duration("burst") {
            scaling.burst = try Self.check(burst, Range.burst, scale.path(of: "burst"))
        }
        scaling.isShared = try scale.bool("shared") ?? false
        try scale.finish()
    }

    private mutating func read(limit: inout DocumentReader) throws(DocumentError) {
        scaling.runs = try limit.integer("runs", in: Range.runs)
        scaling.runsPerKey = try limit.integer("perKey", in: Range.runs)
        scaling.key = try limit.string("key")
        if let key = scaling.key {
            guard scaling.runsPerKey != nil else {
                throw DocumentError(
                    path: limit.path(of: "key"), message: "this names the key of \"perKey\", which is missing")
            }
            guard !key.isEmpty, key.utf8.count <= 128 else {
                throw DocumentError(
                    path: limit.path(of: "key"), message: "the name of an event's attribute was expected")
            }
        }
        try limit.finish()
    }

    private static func check(
        _ value: Int64, _ range: ClosedRange<Int64>, _ path: String
    ) throws(DocumentError) -> Int64 {
        guard range.contains(value) else {
            let (least, most) = (
                Quantity.text(milliseconds: range.lowerBound), Quantity.text(milliseconds: range.upperBound)
            )
            throw DocumentError(
                path: path,
                message: "\(Quantity.text(milliseconds: value)) is out of range: \(least) to \(most) is allowed")
        }
        return value
    }

    /// The keys as a manifest writes them; what is as usual is left out, `concurrency` excepted.
    func writeScaling(into members: inout JSONObject) {
        members["concurrency"] = .integer(Int64(concurrency))
        if scaling.concurrentEvents != 1 { members["concurrentEvents"] = .integer(Int64(scaling.concurrentEvents)) }
        var scale = JSONObject()
        if scaling.minimum != 0 { scale["min"] = .integer(Int64(scaling.minimum)) }
        scale["idle"] = scaling.idle.map { .string(Quantity.text(milliseconds: $0)) }
        if scaling.burst != FunctionScaling.defaultBurst {
            scale["burst"] = .string(Quantity.text(milliseconds: scaling.burst))
        }
        if scaling.isShared { scale["shared"] = true }
        if !scale.isEmpty { members["scale"] = .object(scale) }
        let limit = limitDocument
        if !limit.isEmpty { members["limit"] = .object(limit) }
    }

    private var limitDocument: JSONObject {
        var limit = JSONObject()
        limit["runs"] = scaling.runs.map { .integer(Int64($0)) }
        limit["perKey"] = scaling.runsPerKey.map { .integer(Int64($0)) }
        limit["key"] = scaling.key.map { .string($0) }
        return limit
    }

    // MARK: In the registry

    /// What a version's document says beside `concurrency`; nothing for what is as usual, so that digests do not change
    /// when a key is added.
    func writeScalingVersion(into limits: inout JSONObject) {
        if scaling.concurrentEvents != 1 { limits["concurrentEvents"] = .integer(Int64(scaling.concurrentEvents)) }
        if scaling.minimum != 0 { limits["minimum"] = .integer(Int64(scaling.minimum)) }
        limits["idle"] = scaling.idle.map { .integer($0) }
        if scaling.burst != FunctionScaling.defaultBurst { limits["burst"] = .integer(scaling.burst) }
        if scaling.isShared { limits["shared"] = true }
        for member in limitDocument.members { limits[member.name] = member.value }
    }

    mutating func readScalingVersion(_ limits: JSONValue?) {
        func integer(_ name: String) -> Int? { limits?[name]?.integer.flatMap { Int(exactly: $0) } }
        scaling.minimum = integer("minimum") ?? 0
        scaling.concurrentEvents = integer("concurrentEvents") ?? 1
        scaling.idle = limits?["idle"]?.integer
        scaling.burst = limits?["burst"]?.integer ?? FunctionScaling.defaultBurst
        scaling.isShared = limits?["shared"] == .bool(true)
        scaling.runs = integer("runs")
        scaling.runsPerKey = integer("perKey")
        scaling.key = limits?["key"]?.string
    }
}
