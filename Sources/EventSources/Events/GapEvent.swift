package import CloudEvents

/// The events that say that something may have been lost, and that it has been made good.
package enum GapEvent {
    /// Something may be missing between two times (nanoseconds since 1970).
    package static func gap(
        source: String, subject: String, from: Int64?, to: Int64, reason: String, details: [(String, JSONValue)] = []
    ) -> EventRecord {
        make("dev.weir.source.gap", source: source, subject: subject, from: from, to: to, reason: reason, details)
    }

    /// What was missing has been found by looking again.
    package static func repaired(
        source: String, subject: String, from: Int64?, to: Int64, reason: String, details: [(String, JSONValue)] = []
    ) -> EventRecord {
        make("dev.weir.source.repaired", source: source, subject: subject, from: from, to: to, reason: reason, details)
    }

    private static func make(
        _ type: String, source: String, subject: String, from: Int64?, to: Int64, reason: String,
        _ details: [(String, JSONValue)]
    ) -> EventRecord {
        var data = JSONObject()
        if let from { data["from"] = .string(EventTime(nanoseconds: from).text) }
        data["to"] = .string(EventTime(nanoseconds: to).text)
        data["reason"] = .string(reason)
        for (name, value) in details { data[name] = value }
        var hash = StableHash()
        hash.add(type)
        hash.add(subject)
        hash.add(to)
        hash.add(reason)
        return EventRecord(
            CloudEvent(
                id: "\(type.split(separator: ".").last ?? "gap")-\(hash.hex)", source: source, type: type,
                subject: subject, time: EventTime(nanoseconds: to), datacontenttype: "application/json",
                data: .json(JSONValue.object(data).encoded())))
    }
}
