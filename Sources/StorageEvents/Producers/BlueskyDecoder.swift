import CloudEvents

/// Decodes the documents of Bluesky's event model: pairs `[name, document]`.
///
/// A run begins with `start` and has ended with `stop`; files are announced between by `resource` and `stream_resource`,
/// before or while they are written. A run's documents have its id as `partitionkey`, so that they stay in order.
struct BlueskyDecoder: ProducerDecoder {
    /// The instrument's name, which the documents do not tell.
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
        guard let pair = value.array, pair.count == 2, let name = pair[0].string, !name.isEmpty else {
            throw ProducerProblem("$", "a pair of a name and a document was expected")
        }
        let document = pair[1]
        guard document.object != nil else {
            throw ProducerProblem("$[1]", "an object was expected, not \(document.kindName)")
        }
        func text(_ name: String) -> String? { document[name]?.string.flatMap { $0.isEmpty ? nil : $0 } }
        var event = ProducerEvent(
            system: "bluesky", source: "bluesky://" + URIText.host(system), type: Self.type(name),
            native: .json(Array(bytes)))
        event.time = document["time"]?.double.flatMap(ProducerTime.seconds)
        let run = name == "start" ? text("uid") : text("run_start")
        event.key = run
        event.put("document", name)
        event.put("uid", text("uid"))
        event.put("run", run)
        event.put("time", event.time)
        switch name {
        case "start":
            event.subject = run
            event.put("plan", text("plan_name"))
            event.put("scan", document["scan_id"]?.integer)
        case "stop":
            let status = text("exit_status")
            event.isOK = status == "success"
            event.subject = run
            event.data["success"] = .bool(event.isOK)
            event.put("exitStatus", status)
            event.put("reason", text("reason"))
        case "resource", "stream_resource":
            let path = Self.path(document)
            event.subject = path ?? text("uri")
            event.put("path", path)
            event.put("uri", text("uri"))
            event.put("mimetype", text("mimetype") ?? text("spec"))
            event.put("dataKey", text("data_key"))
        default: event.subject = run
        }
        return event
    }

    /// `uri` of a stream resource, `root` and `resource_path` of a resource.
    private static func path(_ document: JSONValue) -> String? {
        if let uri = document["uri"]?.string {
            guard uri.hasPrefix("file://") else { return nil }
            // file://host/path; the host is the writer's own, or none.
            let rest = uri.dropFirst(7)
            guard let slash = rest.firstIndex(of: "/") else { return nil }
            var path = String(rest[slash...])
            return path.withUTF8 { String(decoding: URIText.decoded(Run($0)), as: UTF8.self) }
        }
        guard let resource = document["resource_path"]?.string, !resource.isEmpty else { return nil }
        if resource.hasPrefix("/") { return resource }
        let root = document["root"]?.string ?? "/"
        return root.hasSuffix("/") ? root + resource : root + "/" + resource
    }

    private static func type(_ name: String) -> String {
        switch name {
        case "start": return "dev.weir.run.started"
        case "stop": return "dev.weir.run.finished"
        case "resource", "stream_resource": return "dev.weir.file.announced"
        default:
            let word = name.lowercased().filter { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
            return "org.bluesky.\(word.isEmpty ? "unnamed" : word)"
        }
    }
}
