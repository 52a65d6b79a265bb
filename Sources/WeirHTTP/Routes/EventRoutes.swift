import Channels
import CloudEvents
import HTTPTypes
import Hummingbird

/// The events of a channel: publish, read, follow.
struct EventRoutes: Sendable {
    let engine: any Engine
    let limits: HTTPLimits
    let metrics: IntakeMetrics

    private static let selection: [QueryParameter] = [
        QueryParameter("partition", .integer(0...1_000_000), "Only this partition."),
        QueryParameter("type", .text, "Only events of exactly this type."),
        QueryParameter("subject", .text, "Only events whose subject begins with this."),
        QueryParameter("sql", .text, "Only events for which this CESQL 1.0 expression is true."),
        QueryParameter("filters", .text, "Only events that pass these filters of the Subscriptions API: a JSON list."),
    ]

    private static let from = QueryParameter(
        "from", .startOrOffset, "Where to begin: earliest, latest, a time, a time span back, or an offset.")

    var routes: [Route] {
        let events = "/v1/channels/{channel}/events"
        return [
            Route(
                .post, events, access: .needs(.publish, .channel),
                RouteDocumentation(
                    "publishEvents", tag: "events",
                    "Appends CloudEvents in binary, structured or batched mode; they are on disk when it answers.",
                    body: .init(
                        "CloudEvent", types: [JSONEventFormat.mediaType, JSONEventFormat.batchMediaType, "*/*"]),
                    answers: [.init(.ok, "How many were accepted, and where each is.", "PublishOutcome")],
                    problems: [.notFound, .unprocessableContent, .serviceUnavailable, .insufficientStorage]),
                handler: { (request) async throws(Problem) in try await publish(request) }),
            Route(
                .get, events, access: .needs(.readEvents, .channel),
                RouteDocumentation(
                    "readEvents", tag: "events", "Reads events, oldest first, from a place in the channel.",
                    query: [Self.from] + Self.selection + [.limit, .cursor],
                    answers: [.init(.ok, "A page of events.", "EventPage")], problems: [.notFound]),
                handler: { (request) async throws(Problem) in try await read(request) }),
            Route(
                .get, "/v1/channels/{channel}/tail", access: .needs(.readEvents, .channel),
                RouteDocumentation(
                    "tailEvents", tag: "events",
                    "Follows a channel: server-sent events named event, each a CloudEvent; its id resumes behind it.",
                    query: [Self.from] + Self.selection + [
                        QueryParameter("limit", .integer(1...1_000_000_000), "End after so many events.")
                    ],
                    answers: [.init(.ok, "The stream.", "Text", type: EventStream.mediaType)], problems: [.notFound]),
                handler: { (request) async throws(Problem) in try await tail(request) }),
        ]
    }

    private func publish(_ request: APIRequest) async throws(Problem) -> Response {
        let body = try await request.collectBody(limit: limits.eventBody)
        let events = try EventIntake.events(headers: request.headers, body: body, limit: limits.eventsPerBatch)
        let outcomes = try await engine.publish(
            events, to: request.parameter("channel"), namespace: request.namespace)
        return Answers.bytes(answer(outcomes, bytes: body.count), type: "application/json")
    }

    /// The answer to a publish as bytes; it is written without a tree because this is the hot path.
    private func answer(_ outcomes: [AppendOutcome], bytes: Int) -> [UInt8] {
        var duplicates = 0
        for case .duplicate in outcomes { duplicates += 1 }
        metrics.accepted.add(UInt64(outcomes.count - duplicates))
        metrics.duplicates.add(UInt64(duplicates))
        metrics.bytes.add(UInt64(bytes))
        var out: [UInt8] = []
        out.reserveCapacity(64 + outcomes.count * 32)
        out.append(
            contentsOf: "{\"accepted\":\(outcomes.count - duplicates),\"duplicates\":\(duplicates),\"events\":[".utf8)
        for (index, outcome) in outcomes.enumerated() {
            if index > 0 { out.append(0x2C) }
            switch outcome {
            case .appended(let partition, let offset):
                out.append(contentsOf: "{\"partition\":\(partition),\"offset\":\(offset)}".utf8)
            case .duplicate:
                out.append(contentsOf: "null".utf8)
            }
        }
        out.append(contentsOf: "]}".utf8)
        return out
    }

    private func read(_ request: APIRequest) async throws(Problem) -> Response {
        let selection = try EventSelection(request)
        var position = try await start(request, default: .earliest)
        if let cursor = request.query.text("cursor") {
            guard let asked = ChannelPosition(cursor),
                asked.partitions.allSatisfy({ position[$0.partition] != nil })
            else { throw Problem.badParameter("cursor", "\"\(cursor)\" is no cursor: send `next` of the page before") }
            position = asked
        }
        let limit = try request.query.integer("limit", in: 1...1000) ?? 100
        var page = EventPage(events: [], position: position, isAtEnd: false)
        // A filter that matches little may need several reads; after some the reader is handed what there is.
        for _ in 0..<64 where page.events.isEmpty && !page.isAtEnd && !Task.isCancelled {
            let next = try await engine.readEvents(
                EventQuery(
                    namespace: request.namespace, channel: request.parameter("channel"), position: page.position,
                    limit: limit, selection: selection))
            page = EventPage(
                events: next.events, position: next.position, gaps: page.gaps + next.gaps, isAtEnd: next.isAtEnd)
        }
        let next = page.position.text
        return Answers.bytes(
            page.encoded(), type: "application/json",
            headers: page.isAtEnd ? [:] : [.link: "<\(request.address(cursor: next))>; rel=\"next\""])
    }

    private func tail(_ request: APIRequest) async throws(Problem) -> Response {
        let selection = try EventSelection(request)
        var position = try await start(request, default: .latest)
        if let last = request.headers[.lastEventID], !last.isEmpty {
            let partitions = position.partitions.map(\.partition)
            guard let resumed = ChannelPosition(streamID: last, of: partitions) else {
                throw Problem.badHeader(
                    "Last-Event-ID", "\"\(last)\" is not the id of an event of this stream, such as 0:12")
            }
            position = resumed
        }
        return EventStream.response(
            to: request,
            source: EventTail(
                engine: engine, request: request, channel: request.parameter("channel"), selection: selection,
                keepAlive: .seconds(limits.keepAliveSeconds), position: position,
                limit: try request.query.integer("limit", in: 1...1_000_000_000)))
    }

    private func start(
        _ request: APIRequest, default start: StartPosition
    ) async throws(Problem) -> ChannelPosition {
        let channel = request.parameter("channel")
        let count = try await engine.partitionCount(channel: channel, namespace: request.namespace)
        let start = try request.query.start("from", offsetsAllowed: true) ?? start
        var partitions = Array(0..<count)
        if let partition = try request.query.integer("partition", in: 0...1_000_000) {
            guard partition < count else {
                throw Problem.badParameter(
                    "partition",
                    "\(partition) is out of range: the channel \"\(channel)\" has the partitions 0 to \(count - 1)")
            }
            partitions = [partition]
        }
        if case .offset = start, partitions.count > 1 {
            throw Problem.badParameter(
                "from", "an offset counts within a partition, and the channel has \(count): name one with partition=")
        }
        return try await engine.position(
            of: start, partitions: partitions, channel: channel, namespace: request.namespace)
    }
}

/// What the intake counts.
struct IntakeMetrics: Sendable {
    let accepted: Counter
    let duplicates: Counter
    let bytes: Counter

    init(_ registry: MetricsRegistry) {
        let name = "weir_intake_events_total"
        let help = "Events that came in by HTTP."
        accepted = registry.counter(name, help, [("outcome", "accepted")])
        duplicates = registry.counter(name, help, [("outcome", "duplicate")])
        bytes = registry.counter("weir_intake_bytes_total", "Bytes of bodies with accepted or known events.")
    }
}

extension EventSelection {
    /// Reads what the query says: everything that is named must hold.
    init(_ request: APIRequest) throws(Problem) {
        var filters: [Filter] = []
        if let type = request.query.text("type") { filters.append(.exact([.init(attribute: "type", value: type)])) }
        if let subject = request.query.text("subject") {
            filters.append(.prefix([.init(attribute: "subject", value: subject)]))
        }
        if let text = request.query.text("sql") {
            do throws(CESQLParseError) {
                filters.append(.sql(try CESQLExpression(parsing: text)))
            } catch {
                throw Problem(
                    .badRequest, "invalid-filter", "the query parameter \"sql\": \(error.message)",
                    errors: [.init(.position(line: error.line, column: error.column), error.reason)])
            }
        }
        if let text = request.query.text("filters") {
            do {
                filters += try Filter.list(parsing: try JSONValue(parsing: text))
            } catch let error as FilterError {
                throw Problem(
                    .badRequest, "invalid-filter", "the query parameter \"filters\": \(error.message)",
                    errors: [.init(.path(error.path), error.reason)])
            } catch {
                throw Problem.badParameter("filters", "it is \(error)")
            }
        }
        self.init(scope: request.scope, filter: filters.isEmpty ? nil : CompiledFilter(filters))
    }
}
