package import CloudEvents
package import Manifest
import StorageEvents

/// A source as a person specifies it: what to read, and the channel it goes to.
package struct SourceSpec: Sendable, Hashable {
    package enum Kind: Sendable, Hashable {
        /// The billing files of a dCache.
        case dcacheBilling(BillingSpec)
        /// A watched folder.
        case folder(FolderSpec)
        /// Events at the times of a schedule.
        case timer(TimerSpec)
        /// Topics of a Kafka cluster.
        case kafka(KafkaSourceSpec)
        /// The event stream of a dCache frontend.
        case dcacheEvents(DCacheEventsSpec)
        /// Requests that others send to this source's address.
        case webhook(WebhookSpec)
        /// A bucket that is listed.
        case s3Listing(S3ListingSpec)
        /// Files of lines.
        case lines(LinesSpec)
        /// Lines on standard input, in a format of StorageEvents.
        case stdin(format: String)
        /// Events that are posted to the channel's resource: nothing runs.
        case http
    }

    package var kind: Kind
    /// The channel's name.
    package var channel: String
    /// The channel for what cannot be read; the one that the server makes for the channel when absent.
    package var deadLetter: String?

    package init(kind: Kind, channel: String, deadLetter: String? = nil) {
        self.kind = kind
        self.channel = channel
        self.deadLetter = deadLetter
    }

    /// The words for `kind`.
    package static let kinds = [
        "dcache-billing", "dcache-sse", "folder", "kafka", "lines", "s3-listing", "timer", "webhook", "stdin", "http",
    ]
    /// The formats that `stdin` reads.
    package static let formats = StorageEventFormat.allCases.map(\.rawValue).sorted()

    /// Reads a specification strictly.
    package init(_ value: JSONValue, path: String = "") throws(DocumentError) {
        var reader = try DocumentReader(value, path: path)
        guard let kind = try reader.word("kind", of: Self.kinds) else {
            throw DocumentError(
                path: reader.path(of: "kind"), message: "this is required: one of \(Self.kinds.joined(separator: ", "))"
            )
        }
        channel = try reader.requiredString("channel")
        deadLetter = try reader.string("deadLetter")
        if deadLetter == channel {
            throw DocumentError(
                path: reader.path(of: "deadLetter"),
                message: "what cannot be read must not go to the channel of the events: name another one")
        }
        switch kind {
        case "dcache-billing": self.kind = .dcacheBilling(try BillingSpec(&reader))
        case "timer": self.kind = .timer(try TimerSpec(&reader))
        case "kafka": self.kind = .kafka(try KafkaSourceSpec(&reader))
        case "dcache-sse": self.kind = .dcacheEvents(try DCacheEventsSpec(&reader))
        case "webhook": self.kind = .webhook(try WebhookSpec(&reader))
        case "s3-listing": self.kind = .s3Listing(try S3ListingSpec(&reader))
        case "lines": self.kind = .lines(try LinesSpec(&reader))
        case "folder": self.kind = .folder(try FolderSpec(&reader))
        case "stdin":
            guard let format = try reader.word("format", of: Self.formats) else {
                throw DocumentError(
                    path: reader.path(of: "format"),
                    message: "this is required: one of \(Self.formats.joined(separator: ", "))")
            }
            self.kind = .stdin(format: format)
        default: self.kind = .http
        }
        try reader.finish()
    }

    /// The specification with every default written out; reading it gives the same.
    package var document: JSONValue {
        var object = JSONObject()
        switch kind {
        case .dcacheBilling(let billing):
            object["kind"] = "dcache-billing"
            billing.write(into: &object)
        case .timer(let timer):
            object["kind"] = "timer"
            timer.write(into: &object)
        case .kafka(let kafka):
            object["kind"] = "kafka"
            kafka.write(into: &object)
        case .dcacheEvents(let events):
            object["kind"] = "dcache-sse"
            events.write(into: &object)
        case .webhook(let webhook):
            object["kind"] = "webhook"
            webhook.write(into: &object)
        case .s3Listing(let listing):
            object["kind"] = "s3-listing"
            listing.write(into: &object)
        case .lines(let lines):
            object["kind"] = "lines"
            lines.write(into: &object)
        case .folder(let folder):
            object["kind"] = "folder"
            folder.write(into: &object)
        case .stdin(let format):
            object["kind"] = "stdin"
            object["format"] = .string(format)
        case .http: object["kind"] = "http"
        }
        object["channel"] = .string(channel)
        if let deadLetter { object["deadLetter"] = .string(deadLetter) }
        return .object(object)
    }
}
