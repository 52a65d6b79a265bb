internal import CloudEvents
internal import Functions

/// CloudEvents over HTTP (its HTTP protocol binding): an event a POST in binary mode; an event in the answer is a reply,
/// JSON is a result, nothing is nothing.
struct CloudEventsExchange: ContainerExchange {
    let version: FunctionVersion
    let answerLimit: Int

    /// The type of the event that a call without an event becomes.
    static let invocationType = "dev.weir.function.invoked"

    func introduction(deadline: Int64, id: String) -> ContainerRequest? { nil }

    func failure(ofIntroduction response: ContainerResponse) -> StartFailure? { nil }

    func request(_ call: FunctionCall, id: String, deadline: Int64) -> ContainerRequest {
        var headers: [(name: String, value: String)] = []
        var body: [UInt8] = []
        switch call.input {
        case .event(let record):
            let message = HTTPBinding.encode(record, mode: .binary)
            (headers, body) = (message.headers, message.body)
        case .arguments, .list:
            var whole = JSONValue.object(version.parameters)
            switch call.input {
            case .arguments(let arguments):
                whole = .object(
                    arguments.members.reduce(into: version.parameters) { $0[$1.name] = $1.value })
            case .list(let items): whole = .array(items)
            case .event: break
            }
            headers = [
                (name: "ce-specversion", value: "1.0"), (name: "ce-id", value: id),
                (name: "ce-source", value: "/weir/\(version.namespace)/\(version.name)"),
                (name: "ce-type", value: Self.invocationType), (name: "content-type", value: "application/json"),
            ]
            body = whole.encoded()
        }
        headers.append((name: "weir-activation-id", value: id))
        headers.append((name: "weir-deadline", value: String(deadline)))
        if let key = call.idempotencyKey, Self.isHeaderValue(key) {
            headers.append((name: "idempotency-key", value: key))
        }
        return ContainerRequest(path: "/", headers: headers, body: body)
    }

    func answer(_ response: ContainerResponse, runNanoseconds: Int64) -> (answer: Answer, isSound: Bool) {
        func made(
            _ status: Activation.Status, _ result: [UInt8], _ published: [Activation.Published] = []
        ) -> (Answer, Bool) {
            (Answer(status: status, runNanoseconds: runNanoseconds, result: result, published: published), true)
        }
        guard !response.isTruncated else {
            return made(
                .applicationError,
                ResultText.error("the container's answer has \(response.length) bytes, \(answerLimit) are allowed"))
        }
        guard (200..<300).contains(response.status) else { return made(.applicationError, refusal(response)) }
        do {
            if try Self.holdsEvents(response) {
                let records = try HTTPBinding.decode(headers: response.headers, body: response.body)
                let published = records.compactMap { Activation.Published($0) }
                return made(.success, Answer.null, published)
            }
        } catch {
            return made(.developerError, ResultText.error("the container's answer is no CloudEvent: \(error)"))
        }
        if response.body.isEmpty { return made(.success, Answer.null) }
        let type = response.header("content-type").flatMap { MediaType($0) }
        if type?.isJSON ?? true, let value = try? JSONValue(parsing: response.body) {
            return made(value["error"] == nil ? .success : .applicationError, response.body)
        }
        if let type, type.essence.hasPrefix("text/"), let text = String(validating: response.body, as: UTF8.self) {
            return made(.success, JSONValue.string(text).encoded())
        }
        return made(
            .developerError,
            ResultText.error(
                "the container answered with \(type?.essence ?? "something") that is neither a CloudEvent, JSON nor text"
            ))
    }

    var lost: String { "the container ended the connection before it had answered" }

    /// What went wrong in the container's own words, if they are JSON or a short text.
    private func refusal(_ response: ContainerResponse) -> [UInt8] {
        if let error = (try? JSONValue(parsing: response.body))?["error"] { return ResultText.error(error) }
        let text = String(validating: response.body.prefix(2_048), as: UTF8.self) ?? ""
        return ResultText.error("the container answered \(response.status)" + (text.isEmpty ? "" : ": \(text)"))
    }

    private static func holdsEvents(_ response: ContainerResponse) throws(CloudEventError) -> Bool {
        if try HTTPBinding.contentMode(ofContentType: response.header("content-type")) != .binary { return true }
        return response.header("ce-specversion") != nil
    }

    private static func isHeaderValue(_ text: String) -> Bool { text.utf8.allSatisfy { (0x20...0x7E).contains($0) } }
}

extension Activation.Published {
    /// An event that came as one; `nil` when it has no type, which no event is without.
    init?(_ record: EventRecord) {
        var text: [UInt8] = []
        record.withView { JSONEventEncoder.write($0, into: &text) }
        guard let object = (try? JSONValue(parsing: text))?.object else { return nil }
        self.init(event: object)
    }
}
