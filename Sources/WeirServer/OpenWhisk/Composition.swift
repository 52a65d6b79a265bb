import CloudEvents
import Foundation
import Invocation
import WeirHTTP

/// What a sequence or a composition has done so far: the ids of its runs, the time they took, how many more may follow.
///
/// One value is handed through all that is nested in it, so that the limits count over everything.
struct CompositionBudget: Sendable {
    var components = 0
    var conductors = 0

    static let limit = 50
}

/// How one run inside ended, as those that steer look at it.
struct StepOutcome: Sendable {
    var id: String
    var outcome: WhiskRecord.Outcome
    /// JSON.
    var result: [UInt8]
    var duration: Int64
    var memory: Int64

    var object: JSONObject? { (try? JSONValue(parsing: result))?.object }

    /// The input of what comes next.
    var input: FunctionCall.Input {
        let value = try? JSONValue(parsing: result)
        return value?.array.map { .list($0) } ?? .arguments(value?.object ?? [:])
    }
}

/// The record of a sequence or composition while it runs.
struct CompositionRecord: Sendable {
    var logs: [String] = []
    var duration: Int64 = 0
    var memory: Int64 = 0

    mutating func add(_ step: StepOutcome) {
        logs.append(step.id)
        duration += step.duration
        memory = max(memory, step.memory)
    }
}

extension RecordingInvoker {
    /// Runs a sequence or a composition as one activation that holds the ids of its parts.
    func compose(
        _ entry: ActionDirectory.Entry, _ function: FunctionReference, _ call: FunctionCall
    ) async -> Activation {
        var budget = CompositionBudget()
        return await compose(entry, function, call, isTopmost: true, &budget)
    }

    private func compose(
        _ entry: ActionDirectory.Entry, _ function: FunctionReference, _ call: FunctionCall, isTopmost: Bool,
        _ budget: inout CompositionBudget
    ) async -> Activation {
        let id = call.activationID ?? invoker.makeID()
        let namespace = call.cause.namespace ?? function.namespace
        let start = ServerEngine.now
        let input = Self.input(of: call, entry)
        let frame = Frame(id: id, namespace: namespace, entry: entry)
        var record = CompositionRecord()
        let end =
            entry.isSequence
            ? await runSequence(frame, input, &record, &budget)
            : await runComposition(frame, input, &record, &budget)
        let activation = activation(
            frame, call, record, end, start: start, isTopmost: isTopmost, version: function.version)
        self.record([activation])
        return activation
    }

    /// What the first step is given.
    private static func input(of call: FunctionCall, _ entry: ActionDirectory.Entry) -> FunctionCall.Input {
        let arguments: JSONObject
        switch call.input {
        case .list: return call.input
        case .arguments(let given): arguments = given
        case .event(let record):
            var bytes: [UInt8] = []
            JSONEventFormat.encode(record, into: &bytes)
            arguments = (try? JSONValue(parsing: bytes))?.object ?? [:]
        }
        // What a sequence has as its own parameter is the list of its parts, which is not for them.
        return .arguments(
            entry.target.inherited.overlaid(with: entry.isSequence ? arguments.without("_actions") : arguments))
    }

    /// What all steps of one sequence or composition share.
    private struct Frame {
        var id: String
        var namespace: String
        var entry: ActionDirectory.Entry
    }

    private struct End {
        var outcome: WhiskRecord.Outcome
        var result: [UInt8]

        static func failed(_ outcome: WhiskRecord.Outcome, _ text: String) -> End {
            End(outcome: outcome, result: JSONValue.object(["error": .string(text)]).encoded())
        }
    }

    private func activation(
        _ frame: Frame, _ call: FunctionCall, _ record: CompositionRecord, _ end: End, start: Int64, isTopmost: Bool,
        version: String?
    ) -> Activation {
        let action = frame.entry.target.action
        var limits = action.limits
        limits.memory = record.memory > 0 ? record.memory : limits.memory
        var notes = WhiskNotes()
        notes.entity = .sequence
        notes.path = action.path.description
        notes.version = action.version
        notes.kind = "sequence"
        notes.limits = limits.document
        notes.binding = frame.entry.target.binding
        notes.topmost = isTopmost
        notes.conductor = frame.entry.isConductor
        notes.isComponent = !isTopmost
        notes.logs = record.logs
        notes.duration = record.duration
        var cause = call.cause
        cause.namespace = frame.namespace
        cause.notes = JSONValue.object(notes.document).encoded()
        let status: Activation.Status =
            switch end.outcome {
            case .success: .success
            case .applicationError: .applicationError
            case .developerError: .developerError
            case .internalError: .internalError
            }
        return Activation(
            id: frame.id,
            function: FunctionReference(namespace: action.path.namespace, name: action.path.local, version: version),
            cause: cause, status: status, result: end.result, start: start, end: ServerEngine.now,
            runNanoseconds: record.duration * 1_000_000)
    }

    // MARK: Sequences

    private func runSequence(
        _ frame: Frame, _ input: FunctionCall.Input, _ record: inout CompositionRecord,
        _ budget: inout CompositionBudget
    ) async -> End {
        var input = input
        var last = End(outcome: .success, result: Array("{}".utf8))
        for component in frame.entry.target.action.exec.components ?? [] {
            guard let next = step(component), mayRun(next, frame) else {
                return .failed(.applicationError, "Sequence component does not exist.")
            }
            if !next.isSequence { budget.components += 1 }
            guard budget.components <= CompositionBudget.limit else {
                return .failed(.applicationError, "Too many actions in the sequence.")
            }
            let done = await run(next, component, input, frame, &budget)
            record.add(done)
            last = End(outcome: done.outcome, result: done.result)
            guard done.outcome == .success else { return last }
            // What is neither object nor list has not succeeded.
            input = done.input
        }
        return last
    }

    // MARK: Compositions

    private func runComposition(
        _ frame: Frame, _ input: FunctionCall.Input, _ record: inout CompositionRecord,
        _ budget: inout CompositionBudget
    ) async -> End {
        let path = frame.entry.target.action.path
        var input = input
        while true {
            budget.conductors += 1
            guard budget.conductors <= 2 * CompositionBudget.limit + 1 else {
                return .failed(.applicationError, "Too many actions in the composition.")
            }
            let steering = await runPlain(frame.entry, path.description, input, frame)
            record.add(steering)
            guard steering.outcome == .success, let answer = steering.object else {
                return End(outcome: steering.outcome, result: steering.result)
            }
            guard let name = answer["action"], name != .null else {
                let result = answer["params"].map { Self.boxed($0, "value") } ?? answer
                return End(outcome: .success, result: JSONValue.object(result).encoded())
            }
            let state = answer["state"].map { $0 == .null ? [:] : Self.boxed($0, "state") } ?? [:]
            var result: JSONObject
            switch next(name, frame, &budget) {
            case .failure(let failure): result = ["error": .string(failure.text)]
            case .success(let next):
                let parameters = answer["params"].map { Self.boxed($0, "value") } ?? [:]
                let done = await run(next.entry, next.path, .arguments(parameters), frame, &budget)
                record.add(done)
                if done.outcome == .internalError {
                    return .failed(.internalError, "Activation failure during composition.")
                }
                result = done.object ?? ["value": (try? JSONValue(parsing: done.result)) ?? .null]
            }
            input = .arguments(result.overlaid(with: state))
        }
    }

    private struct Refusal: Error {
        var text: String
    }

    private func next(
        _ name: JSONValue, _ frame: Frame, _ budget: inout CompositionBudget
    ) -> Result<(entry: ActionDirectory.Entry, path: String), Refusal> {
        let unreadable = Refusal(
            text: "Failed to parse action name from json value \(name.text) during composition.")
        guard let text = name.string, !text.isEmpty else { return .failure(unreadable) }
        var parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        let isWhole = parts.first?.isEmpty ?? false
        if isWhole { parts.removeFirst() }
        guard (isWhole ? 2...3 : 1...2).contains(parts.count), parts.allSatisfy({ WhiskName.isName($0) }) else {
            return .failure(unreadable)
        }
        if isWhole, parts[0] == "_" { parts[0] = frame.namespace }
        if !isWhole { parts.insert(frame.namespace, at: 0) }
        let path = parts.joined(separator: "/")
        guard let entry = step("/" + path) else {
            return .failure(Refusal(text: "Failed to resolve action with name '\(path)' during composition."))
        }
        guard entry.target.action.path.namespace == frame.namespace || mayRun(entry, frame) else {
            return .failure(
                Refusal(text: "Failed entitlement check for action with name '\(path)' during composition."))
        }
        guard budget.components < CompositionBudget.limit else {
            return .failure(Refusal(text: "Too many actions in the composition."))
        }
        budget.components += 1
        return .success((entry, "/" + path))
    }

    private static func boxed(_ value: JSONValue, _ name: String) -> JSONObject {
        value.object ?? JSONObject(members: [.init(name: name, value: value)])
    }

    // MARK: Steps

    private func step(_ path: String) -> ActionDirectory.Entry? {
        let parts = path.dropFirst().split(separator: "/", maxSplits: 1).map(String.init)
        guard parts.count == 2 else { return nil }
        return try? directory.entry(WhiskPath(namespace: parts[0], local: parts[1]))
    }

    /// Whether the owner of a sequence or composition may run a part of it: its own, or a public one.
    private func mayRun(_ entry: ActionDirectory.Entry, _ frame: Frame) -> Bool {
        entry.target.isPublic || entry.target.action.path.namespace == frame.entry.target.action.path.namespace
    }

    /// Runs one part: a function, or what is composed again.
    private func run(
        _ entry: ActionDirectory.Entry, _ path: String, _ input: FunctionCall.Input, _ frame: Frame,
        _ budget: inout CompositionBudget
    ) async -> StepOutcome {
        guard entry.isSequence || entry.isConductor else { return await runPlain(entry, path, input, frame) }
        let action = entry.target.action.path
        let call = FunctionCall(
            input: input, cause: .init(namespace: frame.namespace, parent: frame.id),
            activationID: invoker.makeID())
        let activation = await compose(
            entry, FunctionReference(namespace: action.namespace, name: action.local), call, isTopmost: false, &budget)
        return outcome(activation)
    }

    private func runPlain(
        _ entry: ActionDirectory.Entry, _ path: String, _ input: FunctionCall.Input, _ frame: Frame
    ) async -> StepOutcome {
        let action = entry.target.action.path
        var notes = entry.notes
        notes.removeLast()
        notes.append(contentsOf: (notes.count > 1 ? ",\"component\":true}" : "\"component\":true}").utf8)
        let call = FunctionCall(
            input: input, cause: .init(namespace: frame.namespace, parent: frame.id, notes: notes),
            activationID: invoker.makeID())
        let done = await run(
            entry, asked: FunctionReference(namespace: action.namespace, name: action.local), [call])
        return outcome(done[0])
    }

    private func outcome(_ activation: Activation) -> StepOutcome {
        let record = WhiskRecord(activation)
        return StepOutcome(
            id: activation.id, outcome: record.outcome, result: record.result, duration: record.duration,
            memory: record.memory)
    }
}

extension JSONObject {
    fileprivate func without(_ name: String) -> JSONObject {
        var result = self
        result[name] = nil
        return result
    }
}
