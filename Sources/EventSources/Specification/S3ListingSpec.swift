import CloudEvents
import Manifest
package import Outbound

/// A bucket that is listed again and again, as a person specifies it.
package struct S3ListingSpec: Sendable, Hashable {
    package enum Existing: String, Sendable, Hashable, CaseIterable { case announce, ignore }

    /// What signs the requests.
    package struct Keys: Sendable, Hashable {
        package var access: SecretReference
        package var secret: SecretReference

        package init(access: SecretReference, secret: SecretReference) {
            self.access = access
            self.secret = secret
        }
    }

    /// `https://s3.example.org`
    package var url: String
    package var bucket: String
    package var prefix = ""
    package var region = "us-east-1"
    package var keys: Keys?
    package var tls = TLSSpec()
    /// Milliseconds between two listings.
    package var interval: Int64 = 300_000
    package var existing = Existing.ignore
    package var filter = NameFilter()
    /// The name of the store in the events' source; the host of `url` when absent.
    package var system: String?

    package init(url: String, bucket: String) {
        self.url = url
        self.bucket = bucket
    }

    init(_ reader: inout DocumentReader) throws(DocumentError) {
        self.init(url: try reader.webAddress("url"), bucket: try reader.requiredString("bucket"))
        let isName =
            (3...63).contains(bucket.utf8.count)
            && bucket.utf8.allSatisfy {
                (0x61...0x7A).contains($0 | 0x20) || (0x30...0x39).contains($0) || [0x2D, 0x2E, 0x5F].contains($0)
            } && !bucket.hasPrefix(".")
        guard isName else {
            throw DocumentError(path: reader.path(of: "bucket"), message: "\"\(bucket)\" is no name of a bucket")
        }
        prefix = try reader.string("prefix") ?? ""
        region = try reader.string("region") ?? region
        let access = try reader.secret("accessKey")
        let secret = try reader.secret("secretKey")
        switch (access, secret) {
        case (let access?, let secret?): keys = Keys(access: access, secret: secret)
        case (nil, nil): keys = nil
        default:
            throw DocumentError(path: reader.path(of: "accessKey"), message: "accessKey and secretKey go together")
        }
        tls = try TLSSpec(&reader)
        interval = try reader.duration("interval") ?? interval
        guard (1_000...86_400_000).contains(interval) else {
            throw DocumentError(path: reader.path(of: "interval"), message: "1s to 1d is allowed")
        }
        existing =
            try reader.word("existing", of: Existing.allCases.map(\.rawValue)).flatMap { Existing(rawValue: $0) }
            ?? existing
        filter = NameFilter(
            include: try reader.strings("include").map(Glob.init), exclude: try reader.strings("exclude").map(Glob.init)
        )
        system = try reader.string("system")
    }

    func write(into object: inout JSONObject) {
        object["url"] = .string(url)
        object["bucket"] = .string(bucket)
        object["prefix"] = .string(prefix)
        object["region"] = .string(region)
        if let keys {
            object["accessKey"] = keys.access.document
            object["secretKey"] = keys.secret.document
        }
        tls.write(into: &object)
        object["interval"] = .string(Quantity.text(milliseconds: interval))
        object["existing"] = .string(existing.rawValue)
        object["include"] = .array(filter.include.map { .string($0.pattern) })
        object["exclude"] = .array(filter.exclude.map { .string($0.pattern) })
        if let system { object["system"] = .string(system) }
    }
}
