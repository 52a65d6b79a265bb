package import AsyncHTTPClient
import CloudEvents
import NIOCore
import NIOHTTP1

/// Delivers to a web server: CloudEvents HTTP binding 1.0.2, binary or structured, several events as a JSON batch.
package struct HTTPSink: Sink {
    /// Bytes of an answer that are read; a longer one is cut off and carries no reply.
    static let maximumAnswer = 1 << 20

    private let client: HTTPClient
    private let url: String
    private let mode: SinkSpec.Mode
    private let headers: [SinkSpec.Header]
    /// Milliseconds.
    private let timeout: Int64
    private let now: @Sendable () -> Int64

    package init(
        client: HTTPClient, url: String, mode: SinkSpec.Mode, headers: [SinkSpec.Header] = [], timeout: Int64,
        now: @escaping @Sendable () -> Int64
    ) {
        self.client = client
        self.url = url
        self.mode = mode
        self.headers = headers
        self.timeout = timeout
        self.now = now
    }

    /// What the client of all HTTP sinks should be made with.
    package static var clientConfiguration: HTTPClient.Configuration {
        var configuration = HTTPClient.Configuration()
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 64
        // A redirect could lead anywhere, also inside; the sink's owner named one place.
        configuration.redirectConfiguration = .disallow
        return configuration
    }

    package func deliver(_ parcels: [Parcel]) async -> [SinkAnswer] {
        if parcels.count > 1, mode == .structured {
            let answer = await post(HTTPBinding.encodeBatch(parcels.map(\.event)), cause: nil)
            // The server answers for the whole batch; a reply belongs to its first event.
            return parcels.indices.map { $0 == 0 ? answer : SinkAnswer(answer.outcome) }
        }
        var answers: [SinkAnswer] = []
        for parcel in parcels {
            let message = HTTPBinding.encode(parcel.event, mode: mode == .binary ? .binary : .structured)
            answers.append(await post(message, cause: parcel.event))
        }
        return answers
    }

    private func post(_ message: HTTPBinding.Message, cause: EventRecord?) async -> SinkAnswer {
        var request = HTTPClientRequest(url: url)
        request.method = .POST
        for header in message.headers { request.headers.add(name: header.name, value: header.value) }
        for header in headers { request.headers.replaceOrAdd(name: header.name, value: header.value) }
        request.body = .bytes(ByteBuffer(bytes: message.body))
        do {
            let response = try await client.execute(request, timeout: .milliseconds(timeout))
            let body = try? await response.body.collect(upTo: Self.maximumAnswer)
            return answer(response, body, cause)
        } catch {
            return SinkAnswer(.retry("\(url): \(error)"))
        }
    }

    private func answer(_ response: HTTPClientResponse, _ body: ByteBuffer?, _ cause: EventRecord?) -> SinkAnswer {
        let code = Int(response.status.code)
        switch code {
        case 200..<300:
            return SinkAnswer(.delivered, replies: reply(response, body, cause))
        case 408, 425, 429, 500...:
            let after = response.headers.first(name: "retry-after").flatMap { RetryAfter.milliseconds($0, now: now()) }
            return SinkAnswer(.retry("\(url) answered \(code)", after: after))
        default:
            return SinkAnswer(.rejected("\(url) answered \(code)"))
        }
    }

    /// The event in an answer, if it is one; what cannot be read as one is none.
    private func reply(_ response: HTTPClientResponse, _ body: ByteBuffer?, _ cause: EventRecord?) -> [EventRecord] {
        guard let body, let cause else { return [] }
        let type = response.headers.first(name: "content-type") ?? ""
        guard response.headers.contains(name: "ce-id") || type.hasPrefix("application/cloudevents") else { return [] }
        let pairs = response.headers.map { (name: $0.name, value: $0.value) }
        guard let events = try? HTTPBinding.decode(headers: pairs, body: Array(body.readableBytesView)) else {
            return []
        }
        return events.map { record in
            cause.withView { view in
                var event = record.event
                Lineage.mark(&event, causedBy: view)
                return EventRecord(event)
            }
        }
    }
}
