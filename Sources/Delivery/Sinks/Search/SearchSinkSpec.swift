internal import CloudEvents
internal import Manifest
package import Outbound

/// An Elasticsearch or OpenSearch cluster, as a person specifies it.
package struct SearchSinkSpec: Sendable, Hashable {
    package enum Operation: String, Sendable, Hashable, CaseIterable {
        /// A document of the same id is replaced: a second delivery changes nothing.
        case index
        /// A document of the same id stays; for data streams.
        case create
    }

    package var url: String
    package var index: Template
    package var operation = Operation.index
    package var pipeline: String?
    package var credential = CredentialSpec.none
    /// Elasticsearch's `ApiKey`.
    package var apiKey: SecretReference?
    package var tls = TLSSpec()
    /// What is indexed; the event with its attributes flat when absent.
    package var document: DocumentTemplate?
    /// Whether the producer's own record, `data.native`, is indexed too.
    package var native = false
    /// How large one request gets.
    package var requestBytes: Int64 = 5_000_000

    init(_ reader: inout DocumentReader) throws(DocumentError) {
        url = try reader.webAddress("url")
        index = try reader.template("index")
        operation =
            try reader.word("operation", of: Operation.allCases.map(\.rawValue)).flatMap { Operation(rawValue: $0) }
            ?? .index
        pipeline = try reader.string("pipeline")
        credential = try CredentialSpec(&reader)
        apiKey = try reader.secret("apiKey")
        guard apiKey == nil || credential == .none else {
            throw DocumentError(
                path: reader.path(of: "apiKey"), message: "write an API key, or user and password, or a token")
        }
        try PlainTransport.check(credential != .none || apiKey != nil, url: url, path: reader.path(of: "url"))
        tls = try TLSSpec(&reader)
        document = try reader.documentTemplate("document")
        native = try reader.bool("native") ?? false
        requestBytes = try reader.size("requestBytes") ?? requestBytes
        guard (1_000...100_000_000).contains(requestBytes) else {
            throw DocumentError(path: reader.path(of: "requestBytes"), message: "1kB to 100MB is allowed")
        }
    }

    func write(into object: inout JSONObject) {
        object["url"] = .string(url)
        object["index"] = .string(index.text)
        if operation != .index { object["operation"] = .string(operation.rawValue) }
        if let pipeline { object["pipeline"] = .string(pipeline) }
        credential.write(into: &object)
        if let apiKey { object["apiKey"] = apiKey.document }
        tls.write(into: &object)
        if let document { object["document"] = document.document }
        if native { object["native"] = true }
        if requestBytes != 5_000_000 { object["requestBytes"] = .string(Quantity.text(bytes: requestBytes)) }
    }
}
