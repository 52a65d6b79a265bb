internal import CloudEvents
internal import Egress
internal import Functions
internal import Sandboxes
internal import Staging

/// One run of a function that is given files or leaves some: what is done before and after it.
struct StagedRun: Sendable {
    let staging: Staging
    let version: FunctionVersion
    /// Whether workers have a root of their own, into which files can be mounted.
    let canAttach: Bool
    /// Whether workers may open what they are allowed to only.
    let hasLandlock: Bool
    /// Whether each worker is another user of the machine, whom a file's permissions may keep out.
    let hasOwnUsers: Bool

    /// A call on its way in.
    struct Prepared: Sendable {
        var call: FunctionCall
        var input: StagedInput?
        var record: InputRecord?
        var scratch: Scratch?
        /// What its worker was given for outputs.
        var left: LeftBox?

        /// What the run has left; `nil` when it had no folder.
        func openOutput() throws(StagingError) -> Folder? {
            if let left { return left.take() }
            guard call.files?.output != nil else { return nil }
            return try scratch?.openOutput()
        }
    }

    /// Opens what the call is given. The call keeps its id from here on: what is made for it is named after it.
    ///
    /// - Parameter place: tells the files of calls apart that are given to a worker together; `nil` for one alone.
    func prepare(_ call: FunctionCall, id: String, place: Int?) async -> Result<Prepared, StagingError> {
        var prepared = Prepared(call: call)
        prepared.call.activationID = id
        prepared.call.files = CallFiles()
        do throws(StagingError) {
            if version.staging.input == .file, let attributes = call.eventAttributes {
                let input = try await staging.open(EventFile { attributes[$0] }, namespace: version.namespace).get()
                prepared.input = input
                prepared.record = input.record
                try await give(input, &prepared, place)
            }
            // The calls of a batch are one run: the folder is the first one's.
            if let output = version.staging.output, place ?? 0 == 0 { try await giveOutput(output.limit, &prepared) }
        } catch {
            remove([prepared])
            return .failure(error)
        }
        return .success(prepared)
    }

    private func give(_ input: StagedInput, _ prepared: inout Prepared, _ place: Int?) async throws(StagingError) {
        guard canAttach else {
            // At level 0 a worker reads what the server reads, by the same paths.
            prepared.call.files?.input = input.hostPath
            guard hasLandlock else { return }
            let scratch = try await scratch(&prepared)
            prepared.record = try await staging.place(input, in: scratch).get()
            prepared.call.files?.input = scratch.path(of: input)
            return
        }
        let target = [SandboxPath.input, place.map(String.init), input.name].compactMap { $0 }.joined(separator: "/")
        prepared.call.files?.input = target
        var mount = SandboxMount(source: input.hostPath, target: target, allowsExecution: false)
        // What others may not read, the worker may read as its owner, or a copy of it.
        let isPrivate = hasOwnUsers && input.state.mode & 0o004 == 0
        mount.isOwnedByWorker = isPrivate
        var attachment = Attachment(thing: .shown(mount, input.file))
        if isPrivate {
            let scratch = try await scratch(&prepared)
            attachment.otherwise = { [staging] in
                do throws(StagingError) {
                    _ = try await staging.place(input, in: scratch, asCopy: true).get()
                    let copy = try OpenFile(reading: scratch.path(of: input))
                    let mount = SandboxMount(
                        source: scratch.path(of: input), target: target, allowsExecution: false)
                    return .success(Attachment(thing: .shown(mount, copy)))
                } catch {
                    return .failure(error)
                }
            }
        }
        prepared.call.files?.attachments.append(attachment)
    }

    private func giveOutput(_ limit: Int64, _ prepared: inout Prepared) async throws(StagingError) {
        guard canAttach else {
            let output = try await scratch(&prepared).output
            prepared.call.files?.output = output
            return
        }
        let box = LeftBox()
        prepared.left = box
        prepared.call.files?.output = SandboxPath.output
        prepared.call.files?.attachments.append(
            Attachment(thing: .folder(SandboxPath.output, bytes: limit + OutputRequest.roundingBytes, box)))
    }

    /// The call's folders on the machine, made when they are first needed.
    private func scratch(_ prepared: inout Prepared) async throws(StagingError) -> Scratch {
        if let scratch = prepared.scratch { return scratch }
        let made = try await staging.makeScratch(for: version.digest, call: prepared.call.activationID ?? "").get()
        prepared.scratch = made
        return made
    }

    /// Publishes what a run left, when it has succeeded and its inputs stayed as they were.
    ///
    /// - Parameter runs: all calls of the run: one, or those of a batch, which share one output folder, the first one's.
    func finish(_ runs: [Prepared], _ activation: inout Activation) async {
        activation.inputs = runs.compactMap(\.record)
        guard activation.status.isSuccess, let first = runs.first else { return }
        do throws(StagingError) {
            for run in runs { try run.input?.checkUnchanged() }
            guard let request = version.staging.output, let folder = try first.openOutput() else { return }
            activation.outputs = try await publish(request, from: folder, first, activation)
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
        case .list: return nil
        }
        return attributes
    }
}

extension Activation {
    /// Notes what a run did with the network; what was refused stands in its log, where its author looks.
    mutating func note(_ use: NetworkUse, time: Int64) {
        network = use
        logs += use.lines.map { LogLine(time: time, stream: .stderr, text: $0) }
    }

    /// Makes a run fail whose files could not be brought in or out: what it published is not.
    mutating func fail(_ error: StagingError) {
        status = .stagingError
        result = ResultText.error(error.message)
        published = []
        outputs = []
    }
}
