import CloudEvents

/// What a forge of software says, as an event: GitHub's and GitLab's webhooks, named as the adapters of CloudEvents name
/// them (cloudevents/spec, `cloudevents/adapters/github.md` and `gitlab.md`), with the document whole as data.
enum ForgeDelivery {
    /// - Returns: the event, or why it is none.
    static func github(_ request: WebhookRequest) -> Result<CloudEvent, Problem> {
        guard let kind = word(request["X-GitHub-Event"]) else {
            return .failure(Problem("the header X-GitHub-Event names no event"))
        }
        guard let body = document(request) else { return .failure(Problem("the body is no JSON object")) }
        let action = word(body["action"]?.string).map { "." + $0 } ?? ""
        let source =
            address(body["repository"]?["html_url"]) ?? address(body["organization"]?["url"])
            ?? address(body["sender"]?["html_url"]) ?? "https://github.com"
        var event = CloudEvent(
            id: request["X-GitHub-Delivery"].map(PrintableName.of) ?? identity(request.body), source: source,
            type: "com.github.\(kind)\(action)", subject: githubSubject(body),
            time: time(
                body["head_commit"]?["timestamp"], body[kind]?["updated_at"], body["pull_request"]?["updated_at"],
                body["issue"]?["updated_at"], body["release"]?["published_at"]))
        event.datacontenttype = "application/json"
        event.data = .json(JSONValue.object(body).encoded())
        event["partitionkey"] = .string(source)
        return .success(event)
    }

    static func gitlab(_ request: WebhookRequest) -> Result<CloudEvent, Problem> {
        guard let body = document(request) else { return .failure(Problem("the body is no JSON object")) }
        let named = body["object_kind"]?.string ?? body["event_name"]?.string
        guard let kind = word(named) else {
            return .failure(Problem("the document says neither object_kind nor event_name"))
        }
        let facts = body["object_attributes"]
        let action = word(facts?["action"]?.string).map { "." + $0 } ?? ""
        let source =
            address(body["project"]?["web_url"]) ?? address(body["repository"]?["homepage"])
            ?? address(.string(request["X-Gitlab-Instance"] ?? "")) ?? "https://gitlab.com"
        var subject: String?
        if let number = facts?["iid"]?.integer {
            subject = (kind == "merge_request" ? "merge_requests/" : "issues/") + String(number)
        }
        var event = CloudEvent(
            // The same in each attempt of a delivery; older ones say nothing of the kind.
            id: request["Idempotency-Key"].map(PrintableName.of) ?? identity(request.body), source: source,
            type: "com.gitlab.\(kind)\(action)", subject: subject ?? name(body["ref"]),
            time: time(
                facts?["updated_at"], facts?["finished_at"], body["commits"]?.array?.last?["timestamp"],
                body["updated_at"]))
        event.datacontenttype = "application/json"
        event.data = .json(JSONValue.object(body).encoded())
        event["partitionkey"] = .string(source)
        return .success(event)
    }

    struct Problem: Error {
        let reason: String
        init(_ reason: String) { self.reason = reason }
    }

    private static func githubSubject(_ body: JSONObject) -> String? {
        if let number = (body["pull_request"] ?? .null)["number"]?.integer { return "pull/\(number)" }
        if let number = (body["issue"] ?? .null)["number"]?.integer { return "issues/\(number)" }
        return name(body["ref"]) ?? name((body["release"] ?? .null)["tag_name"])
    }

    /// The document; GitHub may send it as a field of a form.
    private static func document(_ request: WebhookRequest) -> JSONObject? {
        var bytes = request.body
        if request["Content-Type"]?.lowercased().hasPrefix("application/x-www-form-urlencoded") == true {
            let prefix = Array("payload=".utf8)
            guard bytes.starts(with: prefix) else { return nil }
            bytes = FormText.decoded(bytes.dropFirst(prefix.count).prefix { $0 != 0x26 })
        }
        return (try? JSONValue(parsing: bytes))?.object
    }

    private static func identity(_ body: [UInt8]) -> String {
        var hash = StableHash()
        hash.add(body)
        return hash.hex
    }

    /// A part of a type.
    private static func word(_ text: String?) -> String? {
        guard let text, (1...64).contains(text.utf8.count),
            text.utf8.allSatisfy({
                (0x61...0x7A).contains($0 | 0x20) || (0x30...0x39).contains($0) || $0 == 0x5F || $0 == 0x2D
            })
        else { return nil }
        return text
    }

    private static func address(_ value: JSONValue?) -> String? {
        guard let text = value?.string, text.hasPrefix("https://") || text.hasPrefix("http://"),
            text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
        else { return nil }
        return text
    }

    private static func name(_ value: JSONValue?) -> String? {
        guard let text = value?.string, !text.isEmpty else { return nil }
        return PrintableName.of(text)
    }

    private static func time(_ values: JSONValue?...) -> EventTime? {
        for case .string(let text)? in values { if let time = EventTime(text) { return time } }
        return nil
    }
}

/// Text for attributes, which hold no control characters.
enum PrintableName {
    static func of(_ text: String) -> String {
        let clean = String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) ? " " : $0 }))
        return clean.isEmpty ? "-" : clean
    }
}

/// Form encoding (WHATWG URL §5.1): `+` is a blank, `%2F` a slash; what is no escape stays.
enum FormText {
    static func decoded(_ bytes: some Collection<UInt8>) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(bytes.count)
        var rest = bytes[...]
        while let byte = rest.popFirst() {
            if byte == 0x2B {
                out.append(0x20)
            } else if byte == 0x25, rest.count >= 2,
                let value = WebhookRequest.bytes(hexadecimal: String(decoding: rest.prefix(2), as: UTF8.self))
            {
                out += value
                rest = rest.dropFirst(2)
            } else {
                out.append(byte)
            }
        }
        return out
    }
}
