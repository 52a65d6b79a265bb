internal import CloudEvents
internal import Functions

/// The line that an ActionLoop program reads: what OpenWhisk's proxies hand on of a `POST /run`.
enum ActionLoopLine {
    /// `{"value":{…},"activation_id":"…","deadline":"…",…}`: the arguments, and what the run is, as texts.
    static func encode(_ call: FunctionCall, version: FunctionVersion, id: String, now: Int64) -> [UInt8] {
        var value = version.parameters
        var list: [JSONValue]?
        switch call.input {
        case .event(let record):
            var event: [UInt8] = []
            record.withView { JSONEventEncoder.write($0, into: &event) }
            let object = (try? JSONValue(parsing: event))?.object
            for member in object?.members ?? [] { value[member.name] = member.value }
        case .arguments(let arguments):
            for member in arguments.members { value[member.name] = member.value }
        case .list(let items): list = items
        }
        var line: JSONObject = [
            "value": list.map { .array($0) } ?? .object(value), "namespace": .string(version.namespace),
            "action_name": .string("/\(version.namespace)/\(version.name)"),
        ]
        if let variables = call.environment, let object = (try? JSONValue(parsing: variables))?.object {
            for member in object.members where member.name.hasPrefix("__OW_") {
                line[member.name.dropFirst(5).lowercased()] = member.value
            }
        }
        line["activation_id"] = .string(id)
        line["deadline"] = .string(String(now + version.limits.timeout))
        var out = JSONValue.object(line).encoded()
        out.append(0x0A)
        return out
    }
}
