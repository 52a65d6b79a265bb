internal import CloudEvents
internal import Egress
internal import Staging

/// Reads back what ``ActivationEncoder`` wrote.
enum ActivationDecoder {
    /// The activation of a record; `nil` when the record is none.
    static func activation(_ view: EventView) -> Activation? {
        guard view.string("type") == ActivationEncoder.type, let id = view.string("id"),
            let status = view.string("status").flatMap(Activation.Status.init),
            let subject = view.string("subject"), let slash = subject.firstIndex(of: "/"),
            let start = view.string("time").flatMap(EventTime.init)?.milliseconds,
            let data = try? JSONValue(parsing: view.data)
        else { return nil }
        func integer(_ name: String) -> Int64? { data[name]?.integer }
        let cause = FunctionCall.Cause(
            subscription: view.string("subscription"), channel: data["channel"]?.string,
            partition: integer("partition").map { Int($0) }, offset: integer("offset").flatMap { UInt64(exactly: $0) },
            eventID: data["event"]?.string, attempt: Int(integer("attempt") ?? 1),
            namespace: data["owner"].map { _ in String(subject[..<slash]) }, parent: data["parent"]?.string,
            notes: data["notes"]?.encoded())
        let function = FunctionReference(
            namespace: data["owner"]?.string ?? String(subject[..<slash]),
            name: String(subject[subject.index(after: slash)...]),
            version: data["version"]?.string)
        var activation = Activation(
            id: id, function: function, cause: cause, status: status,
            result: data["result"]?.encoded() ?? Answer.null, published: published(data["published"]),
            logs: logs(data["logs"]), logsTruncated: data["logsTruncated"]?.bool ?? false, start: start,
            end: integer("end") ?? start, runNanoseconds: integer("run") ?? 0,
            waitMilliseconds: integer("wait") ?? 0, initMilliseconds: integer("init"),
            coldStart: coldStart(data),
            isolation: Int(integer("isolation") ?? 0))
        activation.inputs = (data["inputs"]?.array ?? []).compactMap { InputRecord(document: $0) }
        activation.outputs = (data["outputs"]?.array ?? []).compactMap { OutputRecord(document: $0) }
        activation.network = NetworkUse(document: data["network"])
        return activation
    }

    private static func coldStart(_ data: JSONValue) -> Activation.ColdStart? {
        data["cold"]?.string.flatMap(Activation.ColdStart.Way.init).map {
            Activation.ColdStart(way: $0, reason: data["why"]?.string ?? "")
        }
    }

    private static func logs(_ value: JSONValue?) -> [Activation.LogLine] {
        (value?.array ?? []).compactMap { line in
            guard let parts = line.array, parts.count == 3, let time = parts[0].integer, let text = parts[2].string
            else {
                return nil
            }
            return Activation.LogLine(time: time, stream: parts[1] == 0 ? .stdout : .stderr, text: text)
        }
    }

    private static func published(_ value: JSONValue?) -> [Activation.Published] {
        (value?.array ?? []).map { event in
            Activation.Published(
                type: event["type"]?.string ?? "", subject: event["subject"]?.string, id: event["id"]?.string,
                source: event["source"]?.string)
        }
    }
}
