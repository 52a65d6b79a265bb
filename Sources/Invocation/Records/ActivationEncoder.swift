internal import CloudEvents
internal import Egress
internal import Staging

/// Writes activations as events, the form in which they are kept and can be subscribed to.
///
/// `type` is `dev.weir.activation`, `source` the function's place, `subject` `namespace/name`, `id` the activation's,
/// `time` its start; `status`, `duration` (milliseconds) and `subscription` are attributes, so that lists filter without
/// opening the data. One value is used for a run of activations: what they share is made once.
struct ActivationEncoder {
    static let type = "dev.weir.activation"

    private var function: FunctionReference?
    private var namespace: String?
    private var source = ""
    private var subject = ""
    private var start: Int64 = .min
    private var time = ""
    private var data: [UInt8] = []

    /// - Parameter calls: how many calls share the activation.
    mutating func encode(_ activation: Activation, calls: Int = 1) -> EventRecord {
        if activation.function != function || activation.namespace != namespace {
            function = activation.function
            namespace = activation.namespace
            subject = activation.namespace + "/" + activation.function.name
            source = "/v1/namespaces/\(activation.function.namespace)/functions/\(activation.function.name)"
        }
        if activation.start != start {
            start = activation.start
            time = EventTime(nanoseconds: start * 1_000_000).text
        }
        writeData(activation, calls)
        var writer = EventRecordWriter(capacity: data.count + 384 + source.utf8.count + subject.utf8.count)
        writer.attribute("type", Self.type)
        writer.attribute("source", source, .uriReference)
        writer.attribute("subject", subject)
        writer.attribute("id", activation.id)
        writer.attribute("time", time, .timestamp)
        writer.attribute("status", activation.status.rawValue)
        writer.attribute("duration", .integer(Int32(clamping: activation.end - activation.start)))
        if let subscription = activation.cause.subscription { writer.attribute("subscription", subscription) }
        data.withUnsafeBytes { writer.data($0, kind: .json) }
        return writer.finish()
    }

    private mutating func writeData(_ activation: Activation, _ calls: Int) {
        data.removeAll(keepingCapacity: data.capacity <= 1 << 20)
        data.appendText("{\"end\":")
        data.appendDecimal(Int(activation.end))
        field(",\"run\":", activation.runNanoseconds, unless: 0)
        field(",\"wait\":", activation.waitMilliseconds, unless: 0)
        if let time = activation.initMilliseconds { field(",\"init\":", time, unless: -1) }
        if let cold = activation.coldStart {
            field(",\"cold\":", cold.way.rawValue)
            field(",\"why\":", cold.reason)
        }
        field(",\"isolation\":", Int64(activation.isolation), unless: -1)
        field(",\"calls\":", Int64(calls), unless: 1)
        if let version = activation.function.version { field(",\"version\":", version) }
        let cause = activation.cause
        if let channel = cause.channel { field(",\"channel\":", channel) }
        if let partition = cause.partition { field(",\"partition\":", Int64(partition), unless: -1) }
        if let offset = cause.offset { field(",\"offset\":", Int64(clamping: offset), unless: -1) }
        if let event = cause.eventID { field(",\"event\":", event) }
        field(",\"attempt\":", Int64(cause.attempt), unless: 1)
        if activation.namespace != activation.function.namespace {
            field(",\"owner\":", activation.function.namespace)
        }
        if let parent = cause.parent { field(",\"parent\":", parent) }
        if let notes = cause.notes {
            data.appendText(",\"notes\":")
            data.append(contentsOf: notes)
        }
        if activation.result != Answer.null {
            data.appendText(",\"result\":")
            data.append(contentsOf: activation.result)
        }
        if !activation.logs.isEmpty { writeLogs(activation.logs) }
        if activation.logsTruncated { data.appendText(",\"logsTruncated\":true") }
        if !activation.published.isEmpty { writePublished(activation.published) }
        write(",\"inputs\":", activation.inputs.map(\.document))
        write(",\"outputs\":", activation.outputs.map(\.document))
        if let network = activation.network {
            data.appendText(",\"network\":")
            JSONValue.object(network.document).write(into: &data)
        }
        data.append(0x7D)
    }

    private mutating func field(_ name: StaticString, _ value: Int64, unless absent: Int64) {
        guard value != absent else { return }
        data.appendText(name)
        data.appendDecimal(Int(value))
    }

    private mutating func field(_ name: StaticString, _ value: String) {
        data.appendText(name)
        JSONWriter.string(value, into: &data)
    }

    private mutating func write(_ name: StaticString, _ records: [JSONObject]) {
        guard !records.isEmpty else { return }
        data.appendText(name)
        JSONValue.array(records.map { .object($0) }).write(into: &data)
    }

    /// `[[time, 0 stdout / 1 stderr, text], …]`
    private mutating func writeLogs(_ lines: [Activation.LogLine]) {
        data.appendText(",\"logs\":[")
        for (index, line) in lines.enumerated() {
            if index > 0 { data.append(0x2C) }
            data.append(0x5B)
            data.appendDecimal(Int(line.time))
            data.appendText(line.stream == .stdout ? ",0," : ",1,")
            JSONWriter.string(line.text, into: &data)
            data.append(0x5D)
        }
        data.append(0x5D)
    }

    /// What was published, without the data: that stands in the channel where the events went.
    private mutating func writePublished(_ events: [Activation.Published]) {
        data.appendText(",\"published\":[")
        for (index, event) in events.enumerated() {
            data.appendText(index > 0 ? ",{\"type\":" : "{\"type\":")
            JSONWriter.string(event.type, into: &data)
            if let subject = event.subject { field(",\"subject\":", subject) }
            if let id = event.id { field(",\"id\":", id) }
            if let source = event.source { field(",\"source\":", source) }
            data.append(0x7D)
        }
        data.append(0x5D)
    }
}
