import CloudEvents
import HTTPTypes

/// Events out of requests.
enum EventIntake {
    /// Whether a request says of itself that it carries an event.
    static func isEvent(_ headers: HTTPFields) -> Bool {
        headers.contains(.specversion)
            || headers[.contentType].map { ContentNegotiation.essence($0).hasPrefix("application/cloudevents") }
                ?? false
    }

    /// Reads the events of a request in binary, structured or batched mode.
    ///
    /// - Throws: ``Problem`` that names the event by its index in the batch, and the attribute at fault.
    static func events(headers: HTTPFields, body: [UInt8], limit: Int) throws(Problem) -> [EventRecord] {
        let events: [EventRecord]
        do throws(CloudEventError) {
            events = try HTTPBinding.decode(
                headers: headers.lazy.map { (name: $0.name.rawName, value: $0.value) }, body: body)
        } catch {
            throw Problem(error)
        }
        guard events.count <= limit else {
            throw Problem(
                .contentTooLarge, "too-many-events",
                "a batch may hold at most \(limit) events, and this holds \(events.count)")
        }
        return events
    }
}

extension Problem {
    /// A message that is no event, or an event that may not be so.
    init(_ error: CloudEventError) {
        let status: HTTPResponse.Status = error.code == .unsupportedFormat ? .unsupportedMediaType : .badRequest
        let code =
            switch error.code {
            case .unsupportedFormat: "unsupported-media-type"
            case .invalidJSON: "invalid-json"
            default: "invalid-event"
            }
        var faults: [Fault] = []
        if let index = error.index {
            faults = [Fault(.event(index: index, attribute: error.attribute), error.reason)]
        } else if let attribute = error.attribute {
            faults = [Fault(.attribute(attribute), error.reason)]
        }
        let detail = error.index.map { "the event \($0) of the batch: \(error.reason)" } ?? error.reason
        self.init(status, code, detail, errors: faults)
    }
}

extension HTTPField.Name {
    static let specversion = HTTPField.Name("ce-specversion")!
}
