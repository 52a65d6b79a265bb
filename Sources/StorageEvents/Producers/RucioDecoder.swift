import CloudEvents

/// Decodes the messages of Rucio's hermes: `{"event_type": …, "payload": {…}, "created_at": …}`.
///
/// The subject is the data identifier as Rucio writes it, `scope:name`.
struct RucioDecoder: ProducerDecoder {
    /// The instance's name, which the messages do not tell.
    let system: String?

    func decode(_ bytes: Run, lineNumber: Int, into batch: inout DecodedBatch) {
        guard let value = batch.json(bytes, line: lineNumber) else { return }
        do throws(ProducerProblem) {
            batch.add(try event(value, bytes), line: lineNumber)
        } catch {
            batch.fail(error, bytes, line: lineNumber)
        }
    }

    private func event(_ value: JSONValue, _ bytes: Run) throws(ProducerProblem) -> ProducerEvent {
        guard let kind = value["event_type"]?.string, !kind.isEmpty else {
            throw ProducerProblem("$.event_type", "the message has no such member")
        }
        var payload = value["payload"] ?? .null
        // Older daemons write the payload as a text that holds JSON.
        if let text = payload.string, let inner = try? JSONValue(parsing: text) { payload = inner }
        guard payload.object != nil else {
            throw ProducerProblem("$.payload", "an object was expected, not \(payload.kindName)")
        }
        func text(_ name: String) -> String? { payload[name]?.string.flatMap { $0.isEmpty ? nil : $0 } }
        var event = ProducerEvent(
            system: "rucio", source: "rucio://" + URIText.host(system), type: Self.type(kind),
            native: .json(Array(bytes)))
        event.time = (value["created_at"]?.string ?? text("created_at")).flatMap(ProducerTime.utc)
        event.isOK = !kind.lowercased().contains("fail") && !kind.lowercased().contains("lost")
        let scope = text("scope")
        let name = text("name")
        event.subject = name.map { name in scope.map { "\($0):\(name)" } ?? name }
        event.key = text("dataset").map { "\(text("datasetScope") ?? scope ?? ""):\($0)" } ?? event.subject
        event.size = payload["bytes"]?.integer ?? payload["file-size"]?.integer
        event.access = text("protocol")
        event.owner = text("account")
        event.put("event", kind)
        event.put("scope", scope)
        event.put("name", name)
        event.put("dataset", text("dataset"))
        event.put("datasetScope", text("datasetScope"))
        event.put("from", text("src-rse"))
        event.put("to", text("dst-rse"))
        event.put("rse", text("rse"))
        event.put("bytes", event.size)
        event.put("fromURL", text("src-url"))
        event.put("toURL", text("dst-url"))
        event.put("url", text("url"))
        event.put("adler32", text("checksum-adler") ?? text("checksum_adler"))
        event.put("md5", text("checksum-md5") ?? text("checksum_md5"))
        event.put("activity", text("activity"))
        event.put("reason", text("reason"))
        event.put("ruleId", text("rule_id") ?? text("rule-id"))
        event.put("requestId", text("request-id"))
        event.put("durationSeconds", payload["duration"]?.integer)
        return event
    }

    private static func type(_ kind: String) -> String {
        switch kind {
        case "transfer-done": return "dev.weir.replica.copied"
        case "transfer-failed", "transfer-lost", "transfer-submission_failed": return "dev.weir.replica.copy-failed"
        case "deletion-done": return "dev.weir.replica.removed"
        default:
            let word = kind.lowercased().filter { $0.isASCII && ($0.isLetter || $0.isNumber || "-_.".contains($0)) }
            return "org.rucio.\(word)"
        }
    }
}
