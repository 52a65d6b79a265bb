package import AsyncHTTPClient
import CloudEvents
import NIOCore
import NIOHTTP1
package import Outbound

/// Delivers to a web server: CloudEvents HTTP binding 1.0.2, binary or structured, several events as a JSON batch; or
/// what a template makes of each event.
package struct HTTPSink: Sink {
    /// Bytes of an answer that are read; a longer one is cut off and carries no reply.
    static let maximumAnswer = 1 << 20

    private let client: HTTPClient
    private let ownsClient: Bool
    private let spec: HTTPSinkSpec
    private let secrets: SecretStore
    private let namespace: String
    /// Milliseconds.
    private let timeout: Int64
    private let now: @Sendable () -> Int64

    /// - Parameter ownsClient: whether the client is of this sink alone, and shut down with it.
    package init(
        _ spec: HTTPSinkSpec, client: HTTPClient, ownsClient: Bool = false, secrets: SecretStore = .none,
        namespace: String = "", timeout: Int64, now: @escaping @Sendable () -> Int64
    ) {
        self.spec = spec
        self.client = client
        self.ownsClient = ownsClient
        self.secrets = secrets
        self.namespace = namespace
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

    package func close() async { if ownsClient { try? await client.shutdown() } }

    package func deliver(_ parcels: [Parcel]) async -> [SinkAnswer] {
        if parcels.count > 1, spec.mode == .structured, spec.shape == nil, spec.isSameForAll {
            var facts = EventFacts(parcels[0].event.event, appended: parcels[0].appended)
            let answer = await post(HTTPBinding.encodeBatch(parcels.map(\.event)), &facts, cause: nil)
            // The server answers for the whole batch; a reply belongs to its first event.
            return parcels.indices.map { $0 == 0 ? answer : SinkAnswer(answer.outcome) }
        }
        var answers: [SinkAnswer] = []
        for parcel in parcels {
            var facts = EventFacts(parcel.event.event, appended: parcel.appended)
            do throws(TemplateError) {
                let made = try message(parcel, &facts)
                answers.append(await post(made, &facts, cause: parcel.event))
            } catch {
                answers.append(SinkAnswer(.rejected(error.message)))
            }
        }
        return answers
    }

    private func message(_ parcel: Parcel, _ facts: inout EventFacts) throws(TemplateError) -> HTTPBinding.Message {
        switch spec.shape {
        case nil: return HTTPBinding.encode(parcel.event, mode: spec.mode == .binary ? .binary : .structured)
        case .document(let template):
            return HTTPBinding.Message(
                headers: [("content-type", "application/json")], body: try template.value(&facts).encoded())
        case .text(let template, let type):
            return HTTPBinding.Message(headers: [("content-type", type)], body: Array(try template.text(&facts).utf8))
        }
    }

    private func post(
        _ message: HTTPBinding.Message, _ facts: inout EventFacts, cause: EventRecord?
    ) async -> SinkAnswer {
        let url: String
        var headers: [(name: String, value: String)] = message.headers
        do {
            url = try spec.url.text(&facts) { PercentEncoding.encoded($0) }
            for header in spec.headers {
                switch header.value {
                case .text(let template):
                    headers.append((header.name, try template.text(&facts) { Self.headerText($0) }))
                case .secret(let secret):
                    headers.append((header.name, try secrets.text(secret, namespace: namespace)))
                }
            }
            if let value = try spec.credential.authorization(secrets, namespace: namespace) {
                headers.append(("Authorization", value))
            }
        } catch let error as TemplateError {
            return SinkAnswer(.rejected(error.message))
        } catch {
            // A secret that is missing can be put there.
            return SinkAnswer(.retry("\(error)"))
        }
        var request = HTTPClientRequest(url: url)
        request.method = HTTPMethod(rawValue: spec.method)
        for header in headers { request.headers.replaceOrAdd(name: header.name, value: header.value) }
        request.body = .bytes(ByteBuffer(bytes: message.body))
        do {
            let response = try await client.execute(request, timeout: .milliseconds(timeout))
            let body = try? await response.body.collect(upTo: Self.maximumAnswer)
            return answer(url, response, body, cause)
        } catch {
            return SinkAnswer(.retry("\(url): \(error)"))
        }
    }

    /// A value of an event in a header: what cannot stand there is percent-encoded, as CloudEvents' binding does it.
    private static func headerText(_ text: String) -> String {
        PercentEncoding.encoded(text, keeping: " !#$&'()*+,/:;<=>?@[]^`{|}")
    }

    private func answer(
        _ url: String, _ response: HTTPClientResponse, _ body: ByteBuffer?, _ cause: EventRecord?
    ) -> SinkAnswer {
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
