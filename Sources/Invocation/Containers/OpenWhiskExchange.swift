internal import CloudEvents
internal import Functions

/// OpenWhisk's protocol of action containers: `POST /init` once, `POST /run` for each call, JSON both ways
/// (openwhisk, `docs/actions-new.md`). The sentences of failures are OpenWhisk's, since its clients know them.
struct OpenWhiskExchange: ContainerExchange {
    let version: FunctionVersion
    let code: ActionCode?
    let answerLimit: Int

    func introduction(deadline: Int64, id: String) -> ContainerRequest? {
        var value: JSONObject = [
            "name": .string(String(version.name.split(separator: "/").last ?? "")),
            "main": .string(version.handler ?? "main"), "binary": .bool(code?.isBinary ?? false),
        ]
        if let code { value["code"] = .string(code.text) }
        var environment: JSONObject = [
            "__OW_NAMESPACE": .string(version.namespace), "__OW_ACTION_NAME": .string(actionName),
            "__OW_ACTION_VERSION": .string(version.digest), "__OW_ACTIVATION_ID": .string(id),
            "__OW_TRANSACTION_ID": .string(id), "__OW_DEADLINE": .string(String(deadline)),
        ]
        // Parameters that an action has for its start are variables of the version.
        for variable in version.environment { environment[variable.name] = .string(variable.value) }
        value["env"] = .object(environment)
        return Self.post("/init", ["value": .object(value)])
    }

    func failure(ofIntroduction response: ContainerResponse) -> StartFailure? {
        guard response.status != 200 else { return nil }
        if let error = (try? JSONValue(parsing: response.body))?["error"] {
            return StartFailure(status: .developerError, result: ResultText.error(error))
        }
        let text = String(decoding: response.body, as: UTF8.self)
        return StartFailure(
            status: .developerError, result: ResultText.error("The action failed during initialization: \(text)"))
    }

    func request(_ call: FunctionCall, id: String, deadline: Int64) -> ContainerRequest {
        let value: JSONValue
        if case .list(let items) = call.input {
            value = .array(items)
        } else {
            value = .object(
                Self.arguments(of: call).members.reduce(into: version.parameters) { $0[$1.name] = $1.value })
        }
        var body: JSONObject = [
            "value": value, "namespace": .string(version.namespace), "action_name": .string(actionName),
            "action_version": .string(version.digest), "activation_id": .string(id),
            "transaction_id": .string(id), "deadline": .string(String(deadline)),
        ]
        for member in Self.variables(of: call).members { body[member.name] = member.value }
        return Self.post("/run", .object(body))
    }

    /// The variables of one call (`__OW_API_KEY` …) by the names that stand beside `value`.
    private static func variables(of call: FunctionCall) -> JSONObject {
        guard let environment = call.environment, let object = (try? JSONValue(parsing: environment))?.object else {
            return [:]
        }
        var members = JSONObject()
        for member in object.members where member.name.hasPrefix("__OW_") {
            members[member.name.dropFirst("__OW_".count).lowercased()] = member.value
        }
        return members
    }

    func answer(_ response: ContainerResponse, runNanoseconds: Int64) -> (answer: Answer, isSound: Bool) {
        func failed(_ status: Activation.Status, _ result: [UInt8], isSound: Bool) -> (Answer, Bool) {
            (Answer(status: status, runNanoseconds: runNanoseconds, result: result), isSound)
        }
        if response.isTruncated {
            let text = String(decoding: response.body.prefix(2_048), as: UTF8.self)
            let sentence =
                "The action produced a response that exceeded the allowed length: \(response.length) > \(answerLimit) "
                + "bytes. The truncated response was: \(text)"
            return failed(.applicationError, ResultText.error(sentence), isSound: true)
        }
        let value = try? JSONValue(parsing: response.body)
        guard response.status == 200 else {
            if let error = value?["error"] { return failed(.developerError, ResultText.error(error), isSound: false) }
            return failed(.developerError, Self.invalid(response.body), isSound: false)
        }
        switch value {
        case .array:
            return (
                Answer(status: .success, runNanoseconds: runNanoseconds, result: response.body), true
            )
        case .object:
            // An event that is no whole one is a result like any other.
            let read = response.body.withUnsafeBytes { try? Answer(programLine: $0, runNanoseconds: runNanoseconds) }
            return (read ?? Answer(status: .success, runNanoseconds: runNanoseconds, result: response.body), true)
        default: return failed(.developerError, Self.invalid(response.body), isSound: false)
        }
    }

    var lost: String { "The action did not produce a valid response and exited unexpectedly." }

    private var actionName: String { "/\(version.namespace)/\(version.name)" }

    private static func invalid(_ body: [UInt8]) -> [UInt8] {
        let text = String(decoding: body.prefix(2_048), as: UTF8.self)
        let sentence =
            body.isEmpty
            ? "The action did not produce a valid JSON or JSON Array response."
            : "The action did not produce a valid JSON or JSON Array response: \(text)"
        return ResultText.error(sentence)
    }

    /// What `main(args)` gets: the arguments, or the event in its JSON format.
    private static func arguments(of call: FunctionCall) -> JSONObject {
        switch call.input {
        case .arguments(let arguments): return arguments
        case .list: return [:]
        case .event(let record):
            var text: [UInt8] = []
            record.withView { JSONEventEncoder.write($0, into: &text) }
            return (try? JSONValue(parsing: text))?.object ?? [:]
        }
    }

    private static func post(_ path: String, _ body: JSONValue) -> ContainerRequest {
        ContainerRequest(
            path: path, headers: [(name: "Content-Type", value: "application/json")], body: body.encoded())
    }
}

extension ResultText {
    /// `{"error": …}` with whatever the other side said.
    static func error(_ value: JSONValue) -> [UInt8] {
        JSONValue.object(["error": value]).encoded()
    }
}
