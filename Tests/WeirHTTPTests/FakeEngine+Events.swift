import Synchronization
import Channels
import CloudEvents
import Invocation

@testable import WeirHTTP

extension FakeEngine {
    func publish(
        _ events: [EventRecord], to channel: String, namespace: String
    ) async throws(Problem) -> [AppendOutcome] {
        if let problem = state.withLock({ $0.publishProblem }) { throw problem }
        try known(channel)
        let (outcomes, waiters) = state.withLock { state in
            let outcomes = events.map { record -> AppendOutcome in
                let event = record.event
                guard state.seen.insert("\(event.source) \(event.id)").inserted else { return .duplicate }
                let partition = (event.subject ?? "").hasPrefix("/b") ? 1 : 0
                let offset = UInt64(state.partitions[partition].count)
                state.partitions[partition].append(
                    PositionedEvent(partition: partition, offset: offset, appended: 1_000, record: record))
                return .appended(partition: partition, offset: offset)
            }
            defer { state.waiters = [] }
            return (outcomes, state.waiters)
        }
        for waiter in waiters { waiter.resume() }
        return outcomes
    }

    func partitionCount(channel: String, namespace: String) async throws(Problem) -> Int {
        try known(channel)
        return 2
    }

    private func known(_ channel: String) throws(Problem) {
        guard channel == "storage" else { throw Problem.notFound("channel", channel) }
    }

    func position(
        of start: StartPosition, partitions: [Int], channel: String, namespace: String
    ) async throws(Problem) -> ChannelPosition {
        state.withLock { state in
            ChannelPosition(
                partitions.map { partition in
                    switch start {
                    case .earliest, .time: .init(partition: partition, next: 0)
                    case .latest: .init(partition: partition, next: UInt64(state.partitions[partition].count))
                    case .offset(let offset): .init(partition: partition, next: offset)
                    }
                })
        }
    }

    func readEvents(_ query: EventQuery) async throws(Problem) -> EventPage {
        if let problem = state.withLock({ $0.readProblem }) { throw problem }
        return state.withLock { state in
            state.lastScope = query.selection.scope
            var page = EventPage(events: [], position: query.position, gaps: state.gaps, isAtEnd: true)
            state.gaps = []
            for one in query.position.partitions {
                for event in state.partitions[one.partition].dropFirst(Int(one.next)) {
                    guard page.events.count < query.limit else {
                        page.isAtEnd = false
                        break
                    }
                    if event.record.withView({ query.selection.matches($0) }) { page.events.append(event) }
                    page.position[one.partition] = event.offset + 1
                }
            }
            return page
        }
    }

    func waitForEvents(channel: String, namespace: String, behind position: ChannelPosition) async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isThere = state.withLock { state in
                    let more = position.partitions.contains { state.partitions[$0.partition].count > Int($0.next) }
                    if !more, !Task.isCancelled { state.waiters.append(continuation) }
                    return more || Task.isCancelled
                }
                if isThere { continuation.resume() }
            }
        } onCancel: {
            let waiters = state.withLock { state in
                defer { state.waiters = [] }
                return state.waiters
            }
            for waiter in waiters { waiter.resume() }
        }
    }

    func setPaused(
        _ paused: Bool, subscription: String, namespace: String, caller: Caller
    ) async throws(Problem) -> Resource? {
        guard subscription == "new-files" else { return nil }
        state.withLock { $0.paused[subscription] = paused }
        return Resource(
            name: subscription, generation: 1, document: ["name": .string(subscription), "paused": .bool(paused)])
    }

    func deadLetters(
        subscription: String, namespace: String, page: PageRequest, scope: ReadScope
    ) async throws(Problem) -> Page<JSONValue>? {
        state.withLock { $0.lastScope = scope }
        return subscription == "new-files" ? Page(items: [["reason": "refused"]], next: "1") : nil
    }

    func replay(_ request: ReplayRequest) async throws(Problem) -> JSONObject? {
        guard request.subscription == "new-files" else { return nil }
        return state.withLock { state in
            state.lastReplay = request
            if request.dryRun { return ["matching": 7] }
            state.replays["r1"] = ["id": "r1", "state": "running"]
            return state.replays["r1"]
        }
    }

    func replays(namespace: String, page: PageRequest) async throws(Problem) -> Page<JSONValue> {
        state.withLock { Page(items: $0.replays.values.map { .object($0) }) }
    }

    func replay(id: String, namespace: String) async throws(Problem) -> JSONObject? {
        state.withLock { $0.replays[id] }
    }

    func cancelReplay(id: String, namespace: String) async throws(Problem) -> Bool {
        state.withLock { $0.replays.removeValue(forKey: id) != nil }
    }

    func invoke(
        _ function: FunctionReference, call: FunctionCall, blocking: Bool, caller: Caller
    ) async throws(Problem) -> InvocationOutcome {
        guard let activation = run(function, call) else { throw Problem.notFound("function", function.name) }
        await withCheckedContinuation { continuation in
            let isHeld = state.withLock { state in
                if state.holdsInvocations { state.held.append { continuation.resume() } }
                return state.holdsInvocations
            }
            if !isHeld { continuation.resume() }
        }
        return blocking ? .finished(activation) : .accepted(id: activation.id)
    }

    func begin(
        _ function: FunctionReference, call: FunctionCall, then: @escaping @Sendable (Activation) -> Void
    ) -> Bool {
        guard let activation = run(function, call) else { return false }
        let isHeld = state.withLock { state in
            state.begun += 1
            if state.holdsCalls { state.held.append { then(activation) } }
            return state.holdsCalls
        }
        if !isHeld { then(activation) }
        return true
    }

    /// Lets all calls that are held end, and holds no more; `false` when there was none.
    func release() -> Bool {
        let held = state.withLock { state in
            (state.holdsCalls, state.holdsInvocations) = (false, false)
            defer { state.held = [] }
            return state.held
        }
        for end in held { end() }
        return !held.isEmpty
    }

    private func run(_ function: FunctionReference, _ call: FunctionCall) -> Activation? {
        guard function.name == "checksum" || function.name == "pkg/sum" else { return nil }
        let activation = Activation(
            id: "0123", function: function, cause: FunctionCall.Cause(), status: .success,
            result: state.withLock { $0.result },
            logs: [.init(time: 1_000, stream: .stderr, text: "hello")], start: 1_000, end: 1_250,
            runNanoseconds: 1_500_000, waitMilliseconds: 3)
        state.withLock {
            $0.lastCall = call
            $0.activations.append(activation)
        }
        return activation
    }

    func activations(_ query: ActivationQuery) async throws(Problem) -> Page<Activation> {
        state.withLock {
            $0.lastQuery = query
            return Page(items: $0.activations)
        }
    }

    func activation(id: String, namespace: String) async throws(Problem) -> Activation? {
        state.withLock { $0.activations.first { $0.id == id } }
    }

    func logs(_ query: LogQuery) async throws(Problem) -> LogPage {
        state.withLock { state in
            let start = query.cursor.flatMap { $0 == "latest" ? state.logs.count : Int($0) } ?? 0
            let lines = Array(state.logs.dropFirst(start).prefix(query.limit))
            return LogPage(lines: lines, cursor: "\(start + lines.count)")
        }
    }

    func waitForLogs(namespace: String, behind cursor: String) async {
        await waitForEvents(channel: "", namespace: "", behind: ChannelPosition([]))
    }
}
