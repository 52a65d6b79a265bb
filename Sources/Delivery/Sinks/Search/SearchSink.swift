import CloudEvents
package import Outbound

/// Indexes events in Elasticsearch or OpenSearch by `_bulk`.
///
/// A document's id follows from the event's source and id, so that a second delivery replaces and does not double. Each
/// document has an answer of its own: what the cluster has no room for now (429) is tried again, what it cannot take (a
/// field of another type) is a dead letter, and neither holds up the others.
package struct SearchSink: Sink {
    private let spec: SearchSinkSpec
    private let client: WebClient
    private let ownsClient: Bool
    private let secrets: SecretStore
    private let namespace: String
    private let timeout: Int64
    private let now: @Sendable () -> Int64

    package init(
        _ spec: SearchSinkSpec, client: WebClient, ownsClient: Bool, secrets: SecretStore, namespace: String,
        timeout: Int64, now: @escaping @Sendable () -> Int64
    ) {
        self.spec = spec
        self.client = client
        self.ownsClient = ownsClient
        self.secrets = secrets
        self.namespace = namespace
        self.timeout = timeout
        self.now = now
    }

    package func close() async { if ownsClient { await client.shutdown() } }

    package func deliver(_ parcels: [Parcel]) async -> [SinkAnswer] {
        var outcomes = [DeliveryOutcome?](repeating: nil, count: parcels.count)
        var requests: [BulkRequest] = []
        var open = BulkRequest()
        var size = 0
        for (place, parcel) in parcels.enumerated() {
            let item: BulkRequest.Item
            do throws(TemplateError) {
                item = try self.item(parcel, place)
            } catch {
                outcomes[place] = .rejected(error.message)
                continue
            }
            let bytes = BulkRequest.size(item)
            if size + bytes > Int(spec.requestBytes), !open.items.isEmpty {
                requests.append(open)
                (open, size) = (BulkRequest(), 0)
            }
            open.items.append(item)
            size += bytes
        }
        if !open.items.isEmpty { requests.append(open) }
        for request in requests { await send(request, &outcomes) }
        return outcomes.map { SinkAnswer($0 ?? .retry("the document was not sent")) }
    }

    private func send(_ bulk: BulkRequest, _ outcomes: inout [DeliveryOutcome?]) async {
        func all(_ outcome: DeliveryOutcome) { for item in bulk.items { outcomes[item.place] = outcome } }
        let answer: WebResponse
        do {
            var request = WebRequest(
                "POST", spec.url + "/_bulk" + (spec.pipeline.map { "?pipeline=" + Self.encoded($0) } ?? ""),
                headers: [("Content-Type", "application/x-ndjson"), ("Accept", "application/json")],
                body: bulk.body(spec.operation))
            if let value = try authorization() { request.headers.append(("Authorization", value)) }
            answer = try await client.send(request, timeout: timeout)
        } catch {
            return all(.retry("\(spec.url): \(error)"))
        }
        switch answer.status {
        case 200..<300:
            do throws(OutboundError) {
                for (item, outcome) in zip(bulk.items, try bulk.outcomes(answer.body)) {
                    outcomes[item.place] = outcome
                }
            } catch {
                all(.retry("\(spec.url): \(error.message)"))
            }
        case 413 where bulk.items.count > 1:
            // Too large as a whole: halves may pass.
            let middle = bulk.items.count / 2
            await send(BulkRequest(items: Array(bulk.items[..<middle])), &outcomes)
            await send(BulkRequest(items: Array(bulk.items[middle...])), &outcomes)
        case 413: all(.rejected("\(spec.url): the document is too large (413)"))
        default:
            // Nothing was indexed: no room, no rights, no cluster. It is the same events again when that is mended.
            let after = answer["retry-after"].flatMap { RetryAfter.milliseconds($0, now: now()) }
            all(.retry("\(spec.url) answered \(answer.status)", after: after))
        }
    }

    private func authorization() throws(SecretError) -> String? {
        if let key = spec.apiKey { return "ApiKey " + (try secrets.text(key, namespace: namespace)) }
        return try spec.credential.authorization(secrets, namespace: namespace)
    }

    private func item(_ parcel: Parcel, _ place: Int) throws(TemplateError) -> BulkRequest.Item {
        var facts = EventFacts(parcel.event.event, appended: parcel.appended)
        let index = try spec.index.text(&facts)
        guard Self.isIndexName(index) else {
            throw TemplateError("\"\(index)\" is no name of an index: lower case, without blanks, commas and slashes")
        }
        let document = try spec.document?.value(&facts) ?? Self.flat(&facts, native: spec.native)
        return BulkRequest.Item(
            place: place, index: index, id: Lineage.id("document", facts.event.source, facts.event.id),
            document: document.encoded())
    }

    /// The event with its attributes side by side, `@timestamp`, and its data below `data`.
    private static func flat(_ facts: inout EventFacts, native: Bool) -> JSONValue {
        var object: JSONObject = ["@timestamp": .string(EventTime(nanoseconds: facts.time.nanoseconds).text)]
        for name in ["id", "source", "type", "subject"] { object[name] = facts.attribute(name) }
        for one in facts.event.extensions { object[one.name] = facts.attribute(one.name) }
        if var data = facts.data() {
            if !native, case .object(var inner) = data {
                inner["native"] = nil
                inner["nativeBase64"] = nil
                data = .object(inner)
            }
            object["data"] = data
        } else if case .bytes(let bytes)? = facts.event.data {
            object["data_base64"] = .string(Base64.encode(bytes))
        }
        return .object(object)
    }

    /// What Elasticsearch allows (documentation of the create index API).
    static func isIndexName(_ name: String) -> Bool {
        guard !name.isEmpty, name.utf8.count <= 255, name != ".", name != "..", let first = name.utf8.first,
            !"-_+".utf8.contains(first)
        else { return false }
        return name == name.lowercased()
            && !name.utf8.contains { byte in byte <= 0x20 || byte == 0x7F || "\\/*?\"<>|,#:".utf8.contains(byte) }
    }

    private static func encoded(_ text: String) -> String { PercentEncoding.encoded(text) }
}

/// Percent-encoding of what is not unreserved (RFC 3986 §2.3).
enum PercentEncoding {
    static func encoded(_ text: String, keeping: String = "") -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var out: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E: out.append(byte)
            case _ where keeping.utf8.contains(byte): out.append(byte)
            default: out += [0x25, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: out, as: UTF8.self)
    }
}
