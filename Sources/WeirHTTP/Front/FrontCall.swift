import CloudEvents
import HTTPTypes
import Invocation
import NIOCore

/// What the head of a request asks for, when that is a function's call whose result is waited for: all that need not be
/// found out again for the next request with the same head.
struct FrontCall: Sendable {
    /// Without the query, for the log.
    let path: String
    /// Of the route, for what is counted.
    let route: Int
    /// The caller's own name for the request.
    let id: String?
    let credentials: Credentials
    /// `nil`: the caller's own.
    let namespace: String?
    let function: String
    let version: String?
    /// Whether the body may be a JSON object; else only none at all will do.
    let takesArguments: Bool

    func question(_ caller: Caller) -> AccessRequest {
        AccessRequest(action: .invoke, target: .function, namespace: namespace ?? caller.namespace, name: function)
    }

    func reference(_ caller: Caller) -> FunctionReference {
        FunctionReference(namespace: namespace ?? caller.namespace, name: function, version: version)
    }

    /// The call with the arguments in a body; `nil` when that holds something else.
    func call(_ body: UnsafeRawBufferPointer) -> FunctionCall? {
        if body.isEmpty { return FunctionCall(input: .arguments(JSONObject())) }
        guard takesArguments, case .object(let arguments)? = try? JSONValue(parsing: body) else { return nil }
        return FunctionCall(input: .arguments(arguments))
    }
}

extension Responder {
    /// What a head asks for if it is a call that can be answered in front; `nil` for everything else, faults included: the
    /// long way says what is wrong.
    func frontCall(_ head: HTTPRequest) -> FrontCall? {
        guard head.method == .post, let target = head.path, target.utf8.count <= limits.target,
            target.utf8.starts(with: "/v1/functions/".utf8), !EventIntake.isEvent(head.headerFields)
        else { return nil }
        let halves = target[...].split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let rawQuery = halves.count == 2 ? halves[1] : ""
        guard let (index, raw) = try? find(head.method, path: halves[0]),
            table.routes[index].documentation.id == FunctionRoutes.invocation,
            let name = raw["function"].flatMap({ try? Self.decodeName($0) }),
            let query = try? QueryValues(rawQuery, known: table.routes[index].query, now: now()),
            (try? query.flag("blocking")) == true,
            (try? Self.checkMediaTypes(table.routes[index], head.headerFields)) != nil
        else { return nil }
        let type = head.headerFields[.contentType].map(ContentNegotiation.essence)
        return FrontCall(
            path: String(halves[0]), route: index, id: Self.requestID(head.headerFields[.requestID]),
            credentials: Credentials(authorization: head.headerFields[.authorization]),
            namespace: Self.namespace(in: rawQuery), function: name, version: query.text("version"),
            takesArguments: type.map(FunctionRoutes.isArguments) ?? false)
    }
}
