import CloudEvents
import Invocation

/// A record as JSON text, written as it goes: blocking calls answer with one each, so that a tree that is made to be
/// written out at once would be most of what the call costs here.
extension WhiskRecord {
    /// The whole record.
    ///
    /// - Parameter hasLogs: whether its logs are told; else there are none in it.
    package func encoded(hasLogs: Bool = true) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(768 + result.count)
        writeHead(&out)
        if kind != .trigger {
            out.member("end", activation.end)
            out.member("duration", duration)
        }
        if let parent = activation.cause.parent { out.member("cause", parent) }
        out.member("subject", activation.namespace)
        out.text(",\"response\":")
        writeResponse(&out)
        out.text(",\"logs\":")
        if hasLogs { logs().write(into: &out) } else { out.text("[]") }
        out.append(0x7D)
        return out
    }

    /// What lists show.
    package func encodedSummary() -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(512)
        writeHead(&out)
        if kind != .trigger {
            out.member("end", activation.end)
            out.member("duration", duration)
            out.member("statusCode", Int64(outcome.rawValue))
        }
        if let parent = activation.cause.parent { out.member("cause", parent) }
        out.append(0x7D)
        return out
    }

    /// The part `response` alone.
    func encodedResponse() -> [UInt8] {
        var out: [UInt8] = []
        writeResponse(&out)
        return out
    }

    private func writeResponse(_ out: inout [UInt8]) {
        out.text("{\"status\":")
        JSONWriter.string(outcome.word, into: &out)
        out.text(outcome == .success ? ",\"success\":true,\"result\":" : ",\"success\":false,\"result\":")
        if result.isEmpty { out.text("null") } else { out.append(contentsOf: result) }
        out.member("size", Int64(result.count))
        out.append(0x7D)
    }

    /// Up to the annotations, which all forms have; the object stays open.
    private func writeHead(_ out: inout [UInt8]) {
        let path = self.path
        out.text("{\"activationId\":")
        JSONWriter.string(activation.id, into: &out)
        out.member("namespace", activation.namespace)
        out.member("name", String(path.split(separator: "/").last ?? ""))
        out.member("version", notes.version ?? "0.0.1")
        out.text(",\"publish\":false")
        out.member("start", start)
        out.text(",\"annotations\":[{\"key\":\"path\",\"value\":")
        JSONWriter.string(path, into: &out)
        if kind != .trigger { writeAnnotations(&out) }
        out.text("}]")
    }

    /// Those behind the path; the last one stays open.
    private func writeAnnotations(_ out: inout [UInt8]) {
        func next(_ key: StaticString) {
            out.text("},{\"key\":\"")
            out.text(key)
            out.text("\",\"value\":")
        }
        next("kind")
        JSONWriter.string(notes.kind ?? "blackbox", into: &out)
        next("limits")
        (notes.limits ?? WhiskLimits().document).write(into: &out)
        if let binding = notes.binding {
            next("binding")
            JSONWriter.string(binding, into: &out)
        }
        if notes.isComponent {
            next("causedBy")
            out.text("\"sequence\"")
        }
        if let topmost = notes.topmost {
            next("topmost")
            out.text(topmost ? "true" : "false")
        }
        if notes.conductor {
            next("conductor")
            out.text("true")
        }
        guard kind == .action else { return }
        let initial = activation.initMilliseconds
        next("waitTime")
        out.decimal(max(0, activation.waitMilliseconds - (initial ?? 0)))
        next("timeout")
        out.text(activation.status == .timeout ? "true" : "false")
        if let initial {
            next("initTime")
            out.decimal(initial)
        }
    }
}

extension [UInt8] {
    fileprivate mutating func text(_ text: StaticString) {
        append(contentsOf: UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    fileprivate mutating func decimal(_ value: Int64) { append(contentsOf: String(value).utf8) }

    private mutating func name(_ name: StaticString) {
        text(",\"")
        text(name)
        text("\":")
    }

    fileprivate mutating func member(_ name: StaticString, _ value: Int64) {
        self.name(name)
        decimal(value)
    }

    fileprivate mutating func member(_ name: StaticString, _ value: String) {
        self.name(name)
        JSONWriter.string(value, into: &self)
    }
}
