import Channels
import CloudEvents
import HTTPTypes

/// The events of a channel as they come, as server-sent events.
struct EventTail: StreamSource {
    /// How many events one batch brings at most.
    static let batch = 256

    let engine: any Engine
    let namespace: String
    let channel: String
    let selection: EventSelection
    let keepAlive: Duration
    let requestID: String
    var position: ChannelPosition
    /// How many events may still be sent; `nil`: no end.
    var remaining: Int?
    private var isOver = false
    private var hasGreeted = false

    init(
        engine: any Engine, request: APIRequest, channel: String, selection: EventSelection, keepAlive: Duration,
        position: ChannelPosition, limit: Int?
    ) {
        self.engine = engine
        namespace = request.namespace
        self.channel = channel
        self.selection = selection
        self.keepAlive = keepAlive
        requestID = request.id
        self.position = position
        remaining = limit
    }

    mutating func next() async -> [UInt8]? {
        // At once, so that a reader knows that it is listening, and from where.
        guard hasGreeted else {
            hasGreeted = true
            return signOfLife()
        }
        while !isOver, !Task.isCancelled {
            let page: EventPage
            do throws(Problem) {
                page = try await engine.readEvents(
                    EventQuery(
                        namespace: namespace, channel: channel, position: position,
                        limit: min(Self.batch, remaining ?? Self.batch), selection: selection))
            } catch {
                isOver = true
                var out: [UInt8] = []
                let document = JSONValue.object(error.document(instance: requestID)).encoded()
                EventStream.Message(event: "problem", id: nil, data: document).write(into: &out)
                return out
            }
            if let bytes = take(page) { return bytes }
            guard page.isAtEnd else { continue }
            let waiting = (engine, channel, namespace, position)
            let started = ContinuousClock.now
            await EventStream.wait(atMost: keepAlive) {
                await waiting.0.waitForEvents(channel: waiting.1, namespace: waiting.2, behind: waiting.3)
            }
            if Task.isCancelled { return nil }
            if ContinuousClock.now - started >= keepAlive { return signOfLife() }
        }
        return nil
    }

    private func signOfLife() -> [UInt8] {
        // A message without data is not dispatched, but its id is kept (WHATWG HTML §9.2.6).
        let id = position.streamID(partition: nil)
        return Array(": listening\n\(id.isEmpty ? "" : "id: \(id)\n")\n".utf8)
    }

    /// The bytes of a page; `nil` when there is nothing in it to tell.
    private mutating func take(_ page: EventPage) -> [UInt8]? {
        var out: [UInt8] = []
        for gap in page.gaps {
            let data = JSONValue.object(gap.document).encoded()
            EventStream.Message(event: "gap", id: nil, data: data).write(into: &out)
        }
        var running = position
        var data: [UInt8] = []
        for event in page.events {
            running[event.partition] = event.offset + 1
            data.removeAll(keepingCapacity: true)
            JSONEventFormat.encode(event.record, into: &data)
            EventStream.Message(event: "event", id: running.streamID(partition: event.partition), data: data)
                .write(into: &out)
        }
        position = page.position
        if let left = remaining {
            remaining = left - page.events.count
            isOver = left <= page.events.count
        }
        return out.isEmpty ? nil : out
    }
}

extension EventPage.Gap {
    var document: JSONObject {
        [
            "partition": .integer(Int64(partition)), "from": .integer(Int64(clamping: gap.offsets.lowerBound)),
            "to": .integer(Int64(clamping: gap.offsets.upperBound)), "reason": .string(gap.reason.rawValue),
        ]
    }
}
