/// A function of one event: `@main struct MyFunction: EventHandler { … }`.
public protocol EventHandler {
    /// Made once a worker, before its first call.
    init() throws

    /// - Returns: the result; `nil` is null. An object with a member `error` is a failure.
    /// - Throws: any error, which fails the call with its description.
    func handle(_ event: Event, _ context: Context) throws -> JSON?
}

/// A function of one event that waits for other things.
public protocol AsyncEventHandler: Sendable {
    init() async throws
    func handle(_ event: Event, _ context: Context) async throws -> JSON?
}

/// A function of the events of one batch; they share one activation.
public protocol BatchHandler {
    init() throws
    func handle(_ events: [Event], _ context: Context) throws -> JSON?
}

extension EventHandler {
    public static func main() {
        let runner = Runner()
        let handler = runner.made(kind: "event") { try Self() }
        runner.serve { frame, answers in
            frame.forEachCall { call, event, index in
                runner.run(call, index, [event], answers) { try handler.handle(event, $0) }
            }
        }
    }
}

extension BatchHandler {
    public static func main() {
        let runner = Runner()
        let handler = runner.made(kind: "batch") { try Self() }
        runner.serve { frame, answers in
            var first: Call?
            var events: [Event] = []
            frame.forEachCall { call, event, _ in
                if first == nil { first = call }
                events.append(event)
            }
            // One outcome, said once: the server gives it to every call of the frame.
            if let first { runner.run(first, 0, events, answers) { try handler.handle(events, $0) } }
        }
    }
}

extension AsyncEventHandler {
    public static func main() async {
        let runner = Runner()
        let handler = await runner.made(kind: "event") { try await Self() }
        await runner.serve { frame, answers in
            var calls: [(Call, Event, Int)] = []
            frame.forEachCall { calls.append(($0, $1, $2)) }
            for (call, event, index) in calls {
                await runner.run(call, index, [event], answers) { try await handler.handle(event, $0) }
            }
        }
    }
}
