import CloudEvents
import Manifest

extension DeliveryPolicy {
    /// Reads the `delivery` object of a subscription.
    init(_ document: DocumentReader) throws(DocumentError) {
        var reader = document
        self.init()
        if let word = try reader.word("order", of: Order.allCases.map(\.rawValue)) {
            order = Order(rawValue: word) ?? .none
        }
        if var retry = try reader.object("retry") {
            attempts = try retry.integer("attempts", in: 1...10_000) ?? attempts
            backoff = try retry.duration("backoff") ?? backoff
            maximumBackoff = max(try retry.duration("maxBackoff") ?? maximumBackoff, backoff)
            jitter = try retry.bool("jitter") ?? jitter
            retriesFailures = try retry.bool("failures") ?? retriesFailures
            try retry.finish()
        }
        timeout = try reader.duration("timeout") ?? timeout
        guard timeout > 0 else {
            throw DocumentError(path: reader.path(of: "timeout"), message: "this must be longer than 0")
        }
        deadLetter = try reader.string("deadLetter")
        reply = try reader.string("reply")
        if var batch = try reader.object("batch") {
            batchSize = try batch.integer("size", in: 1...4096) ?? batchSize
            linger = try batch.duration("linger") ?? linger
            try batch.finish()
        }
        concurrency = try reader.integer("concurrency", in: 1...4096) ?? concurrency
        expiry = try reader.duration("expiry")
        if let value = reader.value("start") { start = try Self.start(value, reader.path(of: "start")) }
        try reader.finish()
        maximumPending = max(maximumPending, batchSize * 4)
    }

    private static func start(_ value: JSONValue, _ path: String) throws(DocumentError) -> Start {
        if let number = value.integer, number >= 0 { return .offset(UInt64(number)) }
        switch value {
        case .string("latest"): return .latest
        case .string("earliest"): return .earliest
        case .string(let text):
            if let time = EventTime(text) { return .time(time.milliseconds) }
        case .object(let object):
            var offsets: [Int: UInt64] = [:]
            for member in object.members {
                guard let partition = Int(member.name), partition >= 0, let offset = member.value.integer, offset >= 0
                else {
                    throw DocumentError(
                        path: "\(path).\(member.name)", message: "a partition number and its offset were expected")
                }
                offsets[partition] = UInt64(offset)
            }
            return .offsets(offsets)
        default: break
        }
        throw DocumentError(
            path: path,
            message:
                "latest, earliest, a time such as 2026-01-31T12:00:00Z, an offset or offsets by partition was expected")
    }

    /// What differs from the defaults.
    var document: JSONObject {
        let usual = DeliveryPolicy()
        var object = JSONObject()
        func time(_ milliseconds: Int64) -> JSONValue { .string(Quantity.text(milliseconds: milliseconds)) }
        if order != usual.order { object["order"] = .string(order.rawValue) }
        var retry = JSONObject()
        if attempts != usual.attempts { retry["attempts"] = .integer(Int64(attempts)) }
        if backoff != usual.backoff { retry["backoff"] = time(backoff) }
        if maximumBackoff != usual.maximumBackoff { retry["maxBackoff"] = time(maximumBackoff) }
        if !jitter { retry["jitter"] = false }
        if !retriesFailures { retry["failures"] = false }
        if !retry.isEmpty { object["retry"] = .object(retry) }
        if timeout != usual.timeout { object["timeout"] = time(timeout) }
        if let deadLetter { object["deadLetter"] = .string(deadLetter) }
        if let reply { object["reply"] = .string(reply) }
        var batch = JSONObject()
        if batchSize != usual.batchSize { batch["size"] = .integer(Int64(batchSize)) }
        if linger != usual.linger { batch["linger"] = time(linger) }
        if !batch.isEmpty { object["batch"] = .object(batch) }
        if concurrency != usual.concurrency { object["concurrency"] = .integer(Int64(concurrency)) }
        if let expiry { object["expiry"] = time(expiry) }
        switch start {
        case .latest: break
        case .earliest: object["start"] = "earliest"
        case .time(let milliseconds):
            object["start"] = .string(EventTime(nanoseconds: milliseconds * 1_000_000).text)
        case .offset(let offset): object["start"] = .integer(Int64(clamping: offset))
        case .offsets(let offsets):
            object["start"] = .object(
                JSONObject(
                    members: offsets.sorted { $0.key < $1.key }.map {
                        .init(name: String($0.key), value: .integer(Int64(clamping: $0.value)))
                    }))
        }
        return object
    }
}
