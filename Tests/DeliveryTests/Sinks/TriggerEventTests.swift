import CloudEvents
import Invocation
import Testing

@testable import Delivery

@Suite struct TriggerEventTests {
    private actor Seen: Invoker {
        private(set) var calls: [FunctionCall] = []
        let status: Activation.Status

        init(_ status: Activation.Status = .success) { self.status = status }

        func invoke(_ function: FunctionReference, call: FunctionCall) async -> Activation {
            await invoke(function, calls: [call])[0]
        }

        func invoke(_ function: FunctionReference, calls: [FunctionCall]) async -> [Activation] {
            self.calls += calls
            return calls.map {
                Activation(
                    id: $0.activationID ?? "new", function: function, cause: $0.cause, status: status,
                    result: Array("{}".utf8), start: 0, end: 0)
            }
        }
    }

    private func parcel(_ type: String, runs: JSONValue?, attempt: Int = 1) -> Parcel {
        var event = CloudEvent(id: "1", source: "s", type: type, data: .json(Array(#"{"a":1}"#.utf8)))
        event[TriggerEvent.runs] = runs.map { .string($0.text) }
        return Parcel(event: EventRecord(event), partition: 0, offset: 0, attempt: attempt)
    }

    private func sink(_ invoker: Seen, _ change: (inout DeliveryPolicy) -> Void = { _ in }) -> FunctionSink {
        var policy = DeliveryPolicy()
        change(&policy)
        return FunctionSink(
            invoker: invoker, function: FunctionReference(namespace: "n", name: "f"), subscription: "n/r", channel: "t",
            policy: policy)
    }

    @Test func aFiringRunsTheRulesThatItNamesAndNoOthers() async {
        let invoker = Seen()
        let answers = await sink(invoker).deliver([
            parcel(TriggerEvent.type, runs: ["other": "x"]), parcel(TriggerEvent.type, runs: ["r": "id1"]),
            parcel("dev.weir.file.written", runs: nil), parcel(TriggerEvent.type, runs: ["r": "id2"], attempt: 2),
            parcel(TriggerEvent.type, runs: nil),
        ])
        #expect(answers.map(\.outcome) == Array(repeating: .delivered, count: 5))
        let calls = await invoker.calls
        #expect(calls.map(\.activationID) == ["id1", nil, nil, nil])
        for (index, call) in calls.enumerated() {
            switch call.input {
            case .arguments(let arguments): #expect(arguments == ["a": 1] && index != 1)
            case .event: #expect(index == 1)
            case .list: Issue.record("a firing's arguments are an object")
            }
        }
    }

    @Test func whoseFaultItIsDecidesWhetherItIsTriedAgain() async {
        let event = parcel(TriggerEvent.type, runs: ["r": "id"])
        for status in [Activation.Status.applicationError, .developerError, .timeout] {
            let always = await sink(Seen(status)).deliver([event])
            guard case .retry = always[0].outcome else {
                Issue.record("\(status) is not tried again")
                continue
            }
            #expect(await sink(Seen(status)) { $0.retriesFailures = false }.deliver([event])[0].outcome == .delivered)
            let told = await sink(Seen(status)) {
                $0.retriesFailures = false
                $0.deadLetter = "dead"
            }.deliver([event])
            guard case .rejected = told[0].outcome else {
                Issue.record("\(status) is no dead letter")
                continue
            }
        }
        let ours = await sink(Seen(.internalError)) { $0.retriesFailures = false }.deliver([event])
        guard case .retry = ours[0].outcome else {
            Issue.record("what the platform could not do is lost")
            return
        }
    }
}
