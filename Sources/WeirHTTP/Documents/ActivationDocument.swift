import CloudEvents
import Egress
import Invocation
import Staging

extension Activation {
    /// The activation as the API shows it; `summary` leaves out result, published events and logs.
    func document(summary: Bool = false) -> JSONObject {
        var document: JSONObject = [
            "id": .string(id), "namespace": .string(function.namespace), "function": .string(function.name),
        ]
        document["version"] = function.version.map { .string($0) }
        document["status"] = .string(status.rawValue)
        document["start"] = Self.time(start)
        document["end"] = Self.time(end)
        document["duration"] = .number(Double(runNanoseconds) / 1_000_000)
        document["wait"] = .integer(waitMilliseconds)
        document["init"] = initMilliseconds.map { .integer($0) }
        document["coldStart"] = coldStart.map { ["way": .string($0.way.rawValue), "reason": .string($0.reason)] }
        document["isolation"] = .integer(Int64(isolation))
        document["cause"] = .object(cause.document)
        guard !summary else { return document }
        document["result"] = (try? JSONValue(parsing: result)) ?? .string(String(decoding: result, as: UTF8.self))
        if !published.isEmpty { document["published"] = .array(published.map { .object($0.document) }) }
        if !inputs.isEmpty { document["inputs"] = .array(inputs.map { .object($0.document) }) }
        if !outputs.isEmpty { document["outputs"] = .array(outputs.map { .object($0.document) }) }
        document["network"] = network.map { .object($0.document) }
        document["logs"] = .array(logs.map { .object($0.document) })
        document["logsTruncated"] = .bool(logsTruncated)
        return document
    }

    /// A time in milliseconds since 1970 as RFC 3339.
    static func time(_ milliseconds: Int64) -> JSONValue {
        // Times beyond what nanoseconds can count are not made by this server; they are cut rather than wrapped.
        let (nanoseconds, overflow) = milliseconds.multipliedReportingOverflow(by: 1_000_000)
        return .string(EventTime(nanoseconds: overflow ? (milliseconds < 0 ? .min : .max) : nanoseconds).text)
    }
}

extension Activation.LogLine {
    var document: JSONObject {
        ["time": Activation.time(time), "stream": .string(stream.rawValue), "text": .string(text)]
    }
}

extension LogEntry {
    var document: JSONObject {
        var document = line.document
        document["activation"] = .string(activation)
        document["function"] = .string(function)
        return document
    }
}

extension Activation.Published {
    /// What the function set; the event's own id and source are in its channel.
    fileprivate var document: JSONObject {
        var document: JSONObject = ["type": .string(type)]
        document["subject"] = subject.map { .string($0) }
        document["id"] = id.map { .string($0) }
        return document
    }
}

extension FunctionCall.Cause {
    fileprivate var document: JSONObject {
        var document = JSONObject()
        document["subscription"] = subscription.map { .string($0) }
        document["channel"] = channel.map { .string($0) }
        document["partition"] = partition.map { .integer(Int64($0)) }
        document["offset"] = offset.map { .integer(Int64(clamping: $0)) }
        document["event"] = eventID.map { .string($0) }
        document["attempt"] = .integer(Int64(attempt))
        return document
    }
}
