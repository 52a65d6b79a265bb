import CloudEvents
import HTTPTypes
import Hummingbird
import Invocation

/// `POST …/actions/{name}`
extension WhiskFace {
    func invokeAction(_ request: WhiskRequest, _ path: WhiskPath) async throws(WhiskError) -> Response {
        try throttle.count(.invocation, of: request.caller.namespace, now: now())
        let isBlocking = try request.query.flag("blocking")
        let wantsResult = try request.query.flag("result")
        let wait = try Self.wait(request.query["timeout"])
        let target = try await self.target(path, request)
        let payload = try await request.payload(limit: WhiskBounds.payload)
        let inherited = target.arguments
        if target.action.isFinal {
            // A parameter with a value is final; one that was left null is for the caller to give.
            let isOverridden = payload.members.contains { member in
                WhiskBody.present(inherited[member.name]) != nil
            }
            if isOverridden { throw .parametersNotAllowed }
        }
        let call = WhiskCall(
            target: target, arguments: inherited.overlaid(with: payload), namespace: request.caller.namespace,
            activationID: engine.whiskActivationID(), transaction: request.transaction)
        try throttle.enter(call.namespace)
        let waiting = run(call)
        guard isBlocking else { return accepted(call.activationID) }
        guard let activation = await waiting.value(within: wait, of: deadlines) else {
            return accepted(call.activationID)
        }
        let (status, body) = Self.outcome(activation, wantsResult: wantsResult)
        return WhiskAnswer.bytes(
            body, type: "application/json", status: status, headers: [.whiskActivation: activation.id])
    }

    /// Begins a run that goes on whoever waits for it.
    func run(_ call: WhiskCall) -> Waiting<Activation> {
        let waiting = Waiting<Activation>()
        // Not a child of the request: it goes on when the wait is over or the client has left.
        Task { [engine, throttle] in
            let activation = await engine.whiskRun(call)
            throttle.leave(call.namespace)
            waiting.resolve(activation)
        }
        return waiting
    }

    private func accepted(_ id: String) -> Response {
        WhiskAnswer.json(["activationId": .string(id)], status: .accepted, headers: [.whiskActivation: id])
    }

    /// What is told of a run that was waited for.
    static func outcome(_ activation: Activation, wantsResult: Bool) -> (HTTPResponse.Status, [UInt8]) {
        let record = WhiskRecord(activation)
        let status: HTTPResponse.Status =
            switch record.outcome {
            case .success: .ok
            case .applicationError, .developerError: .badGateway
            case .internalError: .internalServerError
            }
        // A list is handed back bare, as upstream does.
        if wantsResult || (record.outcome == .success && record.resultIsList) { return (status, record.result) }
        // Upstream answers before the logs of a plain action are collected; clients that want them get the record.
        return (status, record.encoded(hasLogs: record.kind == .sequence))
    }

    static func wait(_ text: String?) throws(WhiskError) -> Int {
        guard let text else { return WhiskBounds.wait }
        guard let number = Int(text), (1...WhiskBounds.wait).contains(number) else {
            throw .badQuery("timeout", "Timeout must be number of milliseconds up to \(WhiskBounds.wait).")
        }
        return number
    }
}
