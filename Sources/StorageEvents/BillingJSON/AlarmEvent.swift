import CloudEvents

/// The alarms of dCache's `alarms` topic (`MarkerJsonLayout`): log events that are marked as alarms.
enum AlarmEvent {
    /// The event of an alarm; `nil` when the object is none.
    static func event(_ native: Run) -> CloudEvent? {
        guard let value = try? JSONValue(parsing: native), let marker = value["marker"], marker.object != nil,
            let stamp = value["timestamp"]?.string, let time = time(stamp)
        else { return nil }
        let cell = value["mdc"]?["cells.cell"]?.string ?? marker["service"]?.string ?? "unknown"
        let domain = value["mdc"]?["cells.domain"]?.string ?? marker["domain"]?.string ?? "unknown"
        var hash = StableHash()
        for text in [cell, domain, stamp, marker["key"]?.string ?? "", value["message"]?.string ?? ""] {
            hash.add(text)
        }
        var data = JSONObject()
        data["alarm"] = marker["type"]
        data["key"] = marker["key"]
        data["cell"] = .string("\(cell)@\(domain)")
        data["host"] = marker["host"]
        data["level"] = value["level"]
        data["message"] = value["message"]
        data["received"] = marker["received"]
        data["native"] = value
        return CloudEvent(
            id: hash.hex, source: "dcache://\(encoded(cell))@\(encoded(domain))", type: "org.dcache.alarm", time: time,
            extensions: [
                .init(name: "storagesystem", value: .string("dcache")), .init(name: "outcome", value: .string("error")),
                .init(name: "partitionkey", value: .string(cell)),
            ], data: .json(JSONValue.object(data).encoded()))
    }

    /// `2026-05-20T12:00:00.123Z`, or with a short offset (`+02`), which RFC 3339 does not know.
    private static func time(_ text: String) -> EventTime? {
        if let time = EventTime(text) { return time }
        guard let sign = text.lastIndex(where: { $0 == "+" || $0 == "-" }) else { return nil }
        let digits = text[text.index(after: sign)...].filter { $0 != ":" }
        let head = text[...sign]
        return digits.count == 2
            ? EventTime("\(head)\(digits):00") : EventTime("\(head)\(digits.prefix(2)):\(digits.suffix(2))")
    }

    private static func encoded(_ text: String) -> String {
        var bytes = [UInt8](repeating: 0, count: text.utf8.count * 3)
        var text = text
        let count = bytes.withUnsafeMutableBytes { buffer in
            var sink = ByteSink(buffer)
            text.withUTF8 { sink.put(uriPart: Run($0)) }
            return sink.count
        }
        return String(decoding: bytes[..<count], as: UTF8.self)
    }
}
