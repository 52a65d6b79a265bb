import CloudEvents

/// Decodes S3 event notifications: AWS (direct and by EventBridge), Ceph and MinIO.
///
/// One JSON text is one notification, which may hold several records; each becomes an event. Envelopes of SNS and SQS are
/// opened. AWS's test event, and SNS's messages about its own subscriptions, are passed over quietly. The dialects differ in the encoding of keys: AWS and MinIO write them form-encoded, Ceph and EventBridge
/// as they are.
public struct S3Decoder: Sendable {
    /// Who wrote a record.
    public enum Dialect: String, Sendable, Hashable {
        case aws, ceph, minio, eventBridge
        /// Nobody: it was seen in a listing.
        case listing
    }

    /// The host under which the store is known, for the events' source; taken from the record when `nil`.
    public let endpoint: String?

    public init(endpoint: String? = nil) {
        self.endpoint = endpoint
    }

    /// Decodes one notification; records and failures go into `batch`.
    public func decode(_ bytes: UnsafeRawBufferPointer, lineNumber: Int = 1, into batch: inout DecodedBatch) {
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue(parsing: bytes)
        } catch {
            batch.failures.append(
                DecodeFailure(
                    .badJSON, line: lineNumber + error.line - 1, column: error.column, reason: error.reason, raw: bytes)
            )
            return
        }
        decode(value, path: "$", depth: 0, bytes, lineNumber, &batch)
    }

    /// How many envelopes may lie around a notification: SNS in SQS in a batch of these.
    private static let envelopes = 3

    private func decode(
        _ value: JSONValue, path: String, depth: Int, _ bytes: UnsafeRawBufferPointer, _ lineNumber: Int,
        _ batch: inout DecodedBatch
    ) {
        func fail(_ path: String, _ reason: String) {
            batch.failures.append(
                DecodeFailure(.badRecord, line: lineNumber, path: path, reason: reason, raw: bytes))
        }
        if value["Event"]?.string == "s3:TestEvent" || S3Envelope.isAboutSubscription(value) {
            batch.ignored += 1
            return
        }
        if let inner = S3Envelope.text(in: value) {
            let place = "\(path).\(inner.name)"
            guard depth < Self.envelopes else { return fail(place, "there are more envelopes than can be opened") }
            guard let message = try? JSONValue(parsing: inner.text) else {
                return fail(place, "a text that holds JSON was expected")
            }
            return decode(message, path: place, depth: depth + 1, bytes, lineNumber, &batch)
        }
        func add(_ outcome: Result<CloudEvent, S3Problem>) {
            switch outcome {
            case .success(let event):
                batch.records.append(EventRecord(event))
                batch.origins.append(.init(line: lineNumber, lines: 1))
            case .failure(let problem): fail(problem.path, problem.reason)
            }
        }
        if value["detail-type"] != nil, value["detail"]?.object != nil {
            add(S3EventBridge(value).event(endpoint: endpoint))
            return
        }
        guard let records = value["Records"] ?? value["Messages"] else {
            fail(
                "\(path).Records",
                value.object == nil ? "an object was expected" : "the notification has no such member")
            return
        }
        guard let list = records.array else {
            fail("\(path).Records", "a list was expected, not \(records.kindName)")
            return
        }
        let isMinIO = value["Key"]?.string != nil && value["EventName"] != nil
        for (index, record) in list.enumerated() {
            let place = "\(path).\(value["Records"] == nil ? "Messages" : "Records")[\(index)]"
            if record["s3"] == nil, S3Envelope.text(in: record["Sns"] ?? record) != nil {
                decode(record["Sns"] ?? record, path: place, depth: depth + 1, bytes, lineNumber, &batch)
                continue
            }
            if record["eventSource"]?.string == "OneTrigger" {
                add(OneTriggerRecord(record, envelope: value, path: place).event(system: endpoint))
                continue
            }
            let one = S3Record(
                record, path: place, dialect: isMinIO ? .minio : Self.dialect(of: record))
            add(one.event(endpoint: endpoint))
        }
    }

    /// The dialect of one record. Older Ceph says `aws:s3` and shows itself by microseconds or by the bucket's id.
    static func dialect(of record: JSONValue) -> Dialect {
        switch record["eventSource"]?.string {
        case "ceph:s3": return .ceph
        case "minio:s3": return .minio
        default:
            let fraction = record["eventTime"]?.string.flatMap { $0.split(separator: ".").dropFirst().first }
            let digits = fraction?.prefix { $0.isNumber }.count ?? 0
            return digits > 3 || record["s3"]?["bucket"]?["id"] != nil ? .ceph : .aws
        }
    }

    /// Undoes form encoding: `+` is a blank, `%2F` a slash. What is no escape stays.
    static func formDecoded(_ text: String) -> String {
        guard text.utf8.contains(where: { $0 == 0x2B || $0 == 0x25 }) else { return text }
        let bytes = Array(text.utf8)
        var out: [UInt8] = []
        var index = 0
        while index < bytes.count {
            if bytes[index] == 0x2B {
                out.append(0x20)
            } else if bytes[index] == 0x25, index + 2 < bytes.count,
                let high = InternetAddress.hexValue(bytes[index + 1]),
                let low = InternetAddress.hexValue(bytes[index + 2])
            {
                out.append(high << 4 | low)
                index += 2
            } else {
                out.append(bytes[index])
            }
            index += 1
        }
        return String(decoding: out, as: UTF8.self)
    }
}

/// Why a record is no event.
struct S3Problem: Error {
    let path: String
    let reason: String
}

/// The facts of one record, whatever the dialect.
struct S3Facts {
    var dialect: S3Decoder.Dialect
    var name: String
    /// The event's type.
    var type: String
    var how: String?
    var bucket: String
    var key: String
    var size: Int64?
    var etag: String?
    var versionID: String?
    var sequencer: String?
    var time: String?
    var host: String
    var owner: String?
    var requestID: String?
    var more = JSONObject()
    var native: JSONValue

    func event() -> CloudEvent {
        var data: JSONObject = ["dialect": .string(dialect.rawValue), "eventName": .string(name)]
        func put(_ name: String, _ value: String?) {
            if let value, !value.isEmpty { data[name] = .string(value) }
        }
        put("how", how)
        put("bucket", bucket)
        put("key", key)
        if let size { data["size"] = .integer(size) }
        put("etag", etag)
        put("versionId", versionID)
        put("sequencer", sequencer)
        put("requestId", requestID)
        for member in more.members where !Self.isEmpty(member.value) { data[member.name] = member.value }
        data["native"] = native
        var hash = StableHash()
        for text in [bucket, key, versionID, sequencer, name, time, requestID] { hash.add(text ?? "\u{0}") }
        let folder = key.lastIndex(of: "/").map { "\(bucket)/\(key[..<$0])" } ?? bucket
        var event = CloudEvent(
            id: hash.hex, source: "s3://\(host)/\(bucket)", type: type,
            subject: key.isEmpty ? nil : AttributeText.printable(key), time: time.flatMap { EventTime($0) })
        event["storagesystem"] = .string("s3")
        event["protocol"] = .string("s3")
        event["outcome"] = .string("ok")
        if let size {
            event["filesize"] = .string(String(size))
            let mebibytes = size <= 0 ? 0 : (size - 1) >> 20 + 1
            if let value = Int32(exactly: mebibytes) { event["filesizemib"] = .integer(value) }
        }
        if let version = [versionID, etag, sequencer].compactMap({ $0 }).first(where: { !$0.isEmpty }) {
            event["fileversion"] = .string(AttributeText.printable(version))
        }
        if let owner, !owner.isEmpty { event["owner"] = .string(AttributeText.printable(owner)) }
        event["partitionkey"] = .string(AttributeText.printable(folder))
        event.data = .json(JSONValue.object(data).encoded())
        return event
    }

    private static func isEmpty(_ value: JSONValue) -> Bool {
        switch value {
        case .null: true
        case .string(let text): text.isEmpty
        case .array(let list): list.isEmpty
        case .object(let object): object.isEmpty
        default: false
        }
    }

    /// The event's type by S3's name without `s3:`.
    static func type(of name: String) -> String {
        let group = name.split(separator: ":").first.map(String.init) ?? name
        switch group {
        case "ObjectCreated": return "dev.weir.file.written"
        case "ObjectRemoved", "LifecycleExpiration": return "dev.weir.file.deleted"
        case "ObjectTagging", "ObjectAcl": return "dev.weir.file.attributes"
        case "ObjectRestore" where name == "ObjectRestore:Completed": return "dev.weir.file.staged"
        default: return "com.amazonaws.s3.\(name)"
        }
    }
}
