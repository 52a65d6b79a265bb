internal import CloudEvents
internal import Functions
internal import Staging

/// One run of a function that is given files or leaves some: what is done before and after it.
struct StagedRun: Sendable {
    let staging: Staging
    let version: FunctionVersion

    /// A call on its way in.
    struct Prepared: Sendable {
        var call: FunctionCall
        var input: StagedInput?
        var record: InputRecord?
        var scratch: Scratch?
    }

    /// Opens what the call is given. The call keeps its id from here on: what is made for it is named after it.
    func prepare(_ call: FunctionCall, id: String) async -> Result<Prepared, StagingError> {
        var prepared = Prepared(call: call)
        prepared.call.activationID = id
        var files = CallFiles()
        if version.staging.input == .file, let attributes = call.eventAttributes {
            switch await staging.open(EventFile { attributes[$0] }, namespace: version.namespace) {
            case .success(let input):
                prepared.input = input
                prepared.record = input.record
                files.input = input.hostPath
            case .failure(let error): return .failure(error)
            }
        }
        if version.staging.output != nil {
            switch await staging.makeScratch(for: version.digest, call: id) {
            case .success(let scratch):
                prepared.scratch = scratch
                files.output = scratch.output
            case .failure(let error): return .failure(error)
            }
        }
        prepared.call.files = files
        return .success(prepared)
    }

    /// Publishes what a run left, when it has succeeded and its inputs stayed as they were.
    ///
    /// - Parameter runs: all calls of the run: one, or those of a batch, which share one output folder, the first one's.
    func finish(_ runs: [Prepared], _ activation: inout Activation) async {
        activation.inputs = runs.compactMap(\.record)
        guard activation.status.isSuccess, let first = runs.first else { return }
        do throws(StagingError) {
            for run in runs { try run.input?.checkUnchanged() }
            guard let request = version.staging.output, let scratch = first.scratch else { return }
            activation.outputs = try await publish(request, from: try scratch.openOutput(), first, activation)
        } catch {
            activation.fail(error)
        }
    }

    func remove(_ runs: [Prepared]) {
        for run in runs { run.scratch.map { staging.remove($0) } }
    }

    private func publish(
        _ request: OutputRequest, from folder: Folder, _ run: Prepared, _ activation: Activation
    ) async throws(StagingError) -> [OutputRecord] {
        let mount = try staging.mounts.mount(request.mount, namespace: version.namespace, writing: true)
        let attributes = run.call.eventAttributes
        let time = attributes?["time"].flatMap { EventTime($0) }
        let values = OutputTemplate.Values(
            time: time ?? EventTime(nanoseconds: activation.start * 1_000_000), input: run.input?.location.path,
            activation: activation.id, function: version.name, namespace: version.namespace,
            attribute: { attributes?[$0] })
        let record = RunRecord(
            namespace: version.namespace, function: version.name, version: version.digest,
            parameters: version.parameters, activation: activation.id, idempotencyKey: run.call.idempotencyKey,
            time: activation.end, event: attributes.map(Self.event), inputs: activation.inputs)
        return try await staging.publish(
            .init(source: folder, mount: mount, request: request, values: values, run: record)
        ).get()
    }

    /// What a record says of the event.
    private static func event(_ attributes: [String: String]) -> JSONObject {
        var event = JSONObject()
        for name in ["id", "source", "type", "subject", "time"] { event[name] = attributes[name].map { .string($0) } }
        return event
    }
}

extension FunctionCall {
    /// The context attributes of the event as text; `nil` when the call has none.
    var eventAttributes: [String: String]? {
        var attributes: [String: String] = [:]
        switch input {
        case .event(let record):
            record.withView { view in
                view.forEachAttribute { name, _, value in
                    attributes[String(decoding: name, as: UTF8.self)] = String(decoding: value, as: UTF8.self)
                }
            }
        case .arguments(let object):
            // What a person sends may be an event as it is written.
            guard object["specversion"] != nil else { return nil }
            for member in object.members {
                switch member.value {
                case .string(let text): attributes[member.name] = text
                case .integer, .bool: attributes[member.name] = member.value.text
                default: break
                }
            }
        }
        return attributes
    }
}

extension Activation {
    /// Makes a run fail whose files could not be brought in or out: what it published is not.
    mutating func fail(_ error: StagingError) {
        status = .stagingError
        result = ResultText.error(error.message)
        published = []
        outputs = []
    }
}
