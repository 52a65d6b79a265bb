import CloudEvents

/// One member of `Records`.
struct S3Record {
    let record: JSONValue
    let path: String
    let dialect: S3Decoder.Dialect

    init(_ record: JSONValue, path: String, dialect: S3Decoder.Dialect) {
        self.record = record
        self.path = path
        self.dialect = dialect
    }

    func event(endpoint: String?) -> Result<CloudEvent, S3Problem> {
        func problem(_ member: String, _ reason: String) -> Result<CloudEvent, S3Problem> {
            .failure(S3Problem(path: member.isEmpty ? path : "\(path).\(member)", reason: reason))
        }
        guard record.object != nil else { return problem("", "an object was expected, not \(record.kindName)") }
        if let version = record["eventVersion"], version.string?.split(separator: ".").first != "2" {
            return problem("eventVersion", "a version 2.x was expected, not \(version.text)")
        }
        guard var name = record["eventName"]?.string, !name.isEmpty else {
            return problem("eventName", "the record has no such member")
        }
        if name.hasPrefix("s3:") { name = String(name.dropFirst(3)) }
        guard let bucket = record["s3"]?["bucket"]?["name"]?.string, !bucket.isEmpty else {
            return problem("s3.bucket.name", "the record has no such member")
        }
        guard let object = record["s3"]?["object"], let rawKey = object["key"]?.string else {
            return problem("s3.object.key", "the record has no such member")
        }
        let time = record["eventTime"]?.string
        if let time, EventTime(time) == nil { return problem("eventTime", "a time of RFC 3339 was expected") }
        var facts = S3Facts(
            dialect: dialect, name: name, type: S3Facts.type(of: name), how: Self.how(name), bucket: bucket,
            key: dialect == .ceph ? rawKey : S3Decoder.formDecoded(rawKey),
            // Ceph's documentation shows the size as a text, its code writes a number.
            size: object["size"]?.integer ?? object["size"]?.string.flatMap { Int64($0) },
            etag: object["eTag"]?.string, versionID: object["versionId"]?.string,
            sequencer: object["sequencer"]?.string, time: time, host: endpoint ?? host(),
            owner: record["userIdentity"]?["principalId"]?.string,
            requestID: record["responseElements"]?["x-amz-request-id"]?.string, native: record)
        for (name, value) in [
            ("contentType", object["contentType"]), ("userMetadata", object["userMetadata"]),
            ("metadata", object["metadata"]), ("tags", object["tags"]), ("opaqueData", record["opaqueData"]),
            ("eventId", record["eventId"]), ("region", record["awsRegion"]),
            ("client", record["requestParameters"]?["sourceIPAddress"]),
            ("expires", record["glacierEventData"]?["restoreEventData"]?["lifecycleRestorationExpiryTime"]),
            ("configuration", record["s3"]?["configurationId"]),
        ] {
            facts.more[name] = value
        }
        return .success(facts.event())
    }

    /// What follows the colon, for creations and removals; for a restore nothing; else the whole name.
    static func how(_ name: String) -> String? {
        let parts = name.split(separator: ":", maxSplits: 1).map(String.init)
        switch parts.first {
        case "ObjectCreated", "ObjectRemoved": return parts.count > 1 ? parts[1] : nil
        case "ObjectRestore": return nil
        default: return name
        }
    }

    private func host() -> String {
        if let origin = record["responseElements"]?["x-minio-origin-endpoint"]?.string {
            let rest = origin.firstRange(of: "://").map { origin[$0.upperBound...] } ?? Substring(origin)
            let host = rest.prefix { $0 != "/" }
            if !host.isEmpty { return String(host) }
        }
        let region = record["awsRegion"]?.string ?? ""
        if dialect == .aws { return region.isEmpty ? "s3.amazonaws.com" : "s3.\(region).amazonaws.com" }
        return region.isEmpty ? dialect.rawValue : region
    }
}

/// A notification by way of EventBridge: another shape, and keys as they are.
struct S3EventBridge {
    let value: JSONValue

    init(_ value: JSONValue) { self.value = value }

    func event(endpoint: String?) -> Result<CloudEvent, S3Problem> {
        let detail = value["detail"] ?? .null
        guard let kind = value["detail-type"]?.string else {
            return .failure(S3Problem(path: "$.detail-type", reason: "a string was expected"))
        }
        guard let bucket = detail["bucket"]?["name"]?.string else {
            return .failure(S3Problem(path: "$.detail.bucket.name", reason: "the record has no such member"))
        }
        guard let key = detail["object"]?["key"]?.string else {
            return .failure(S3Problem(path: "$.detail.object.key", reason: "the record has no such member"))
        }
        let time = value["time"]?.string
        if let time, EventTime(time) == nil {
            return .failure(S3Problem(path: "$.time", reason: "a time of RFC 3339 was expected"))
        }
        let type =
            switch kind {
            case "Object Created": "dev.weir.file.written"
            case "Object Deleted": "dev.weir.file.deleted"
            case "Object Restore Completed": "dev.weir.file.staged"
            case "Object Tags Added", "Object Tags Deleted", "Object ACL Updated": "dev.weir.file.attributes"
            default: "com.amazonaws.s3.\(kind.filter { $0 != " " })"
            }
        let region = value["region"]?.string ?? ""
        let object = detail["object"] ?? .null
        var facts = S3Facts(
            dialect: .eventBridge, name: kind, type: type,
            how: type == "dev.weir.file.staged" ? nil : detail["reason"]?.string, bucket: bucket, key: key,
            size: object["size"]?.integer, etag: object["etag"]?.string, versionID: object["version-id"]?.string,
            sequencer: object["sequencer"]?.string, time: time,
            host: endpoint ?? (region.isEmpty ? "s3.amazonaws.com" : "s3.\(region).amazonaws.com"),
            owner: detail["requester"]?.string, requestID: detail["request-id"]?.string ?? value["id"]?.string,
            native: value)
        facts.more["client"] = detail["source-ip-address"]
        facts.more["region"] = value["region"]
        facts.more["expires"] = detail["restore-expiry-time"]
        return .success(facts.event())
    }
}
