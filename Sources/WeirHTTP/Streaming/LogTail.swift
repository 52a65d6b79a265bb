import CloudEvents
import HTTPTypes

/// Log lines as they are written, as server-sent events.
struct LogTail: StreamSource {
    let engine: any Engine
    var query: LogQuery
    let keepAlive: Duration
    let requestID: String
    private var isOver = false
    private var hasGreeted = false

    init(engine: any Engine, query: LogQuery, keepAlive: Duration, requestID: String) {
        self.engine = engine
        self.query = query
        self.keepAlive = keepAlive
        self.requestID = requestID
    }

    mutating func next() async -> [UInt8]? {
        guard hasGreeted else {
            hasGreeted = true
            return Array(": listening\n\n".utf8)
        }
        while !isOver, !Task.isCancelled {
            let page: LogPage
            do throws(Problem) {
                page = try await engine.logs(query)
            } catch {
                isOver = true
                var out: [UInt8] = []
                let document = JSONValue.object(error.document(instance: requestID)).encoded()
                EventStream.Message(event: "problem", id: nil, data: document).write(into: &out)
                return out
            }
            query.cursor = page.cursor
            if !page.lines.isEmpty {
                var out: [UInt8] = []
                for (index, entry) in page.lines.enumerated() {
                    // The cursor stands behind the page, so it is told with the last line only.
                    let id = index == page.lines.count - 1 ? page.cursor : nil
                    EventStream.Message(event: "log", id: id, data: JSONValue.object(entry.document).encoded())
                        .write(into: &out)
                }
                return out
            }
            let waiting = (engine, query.namespace, page.cursor)
            let started = ContinuousClock.now
            await EventStream.wait(atMost: keepAlive) {
                await waiting.0.waitForLogs(namespace: waiting.1, behind: waiting.2)
            }
            if Task.isCancelled { return nil }
            if ContinuousClock.now - started >= keepAlive { return Array(": listening\nid: \(page.cursor)\n\n".utf8) }
        }
        return nil
    }
}
