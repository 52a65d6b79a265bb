import CloudEvents
import HTTPTypes
import Hummingbird
import Invocation

/// What the head of a request asks for, when that is a function's call whose result is waited for: all that need not be
/// found out again for the next request with the same head.
protocol FrontCall: Sendable {
    /// Without the query, for the log.
    var path: String { get }
    /// Of the route, for what is counted.
    var route: Int? { get }

    /// Begins a call with this body; `nil`, and nothing has begun, when only the long way can say what becomes of it.
    ///
    /// - Parameter then: is told once, on any thread; `nil`: it goes on, and is not waited for any more.
    func begin(_ body: UnsafeRawBufferPointer, then: @escaping @Sendable (Activation?) -> Void) -> (any FrontRun)?
}

/// One such call on its way.
protocol FrontRun: Sendable {
    /// The name of the request.
    var id: String { get }
    func answer(_ activation: Activation?) -> FrontAnswer
}

/// An answer but for what every answer has.
struct FrontAnswer {
    /// The code and its phrase.
    var status: HTTPResponse.Status
    /// Whole lines.
    var fields: [UInt8]
    var body: [UInt8]
}

/// A call through the native API.
struct NativeFrontCall: FrontCall {
    let path: String
    let route: Int?
    let engine: any Engine
    let access: any AccessControl
    /// The caller's own name for the request.
    let id: String?
    let credentials: Credentials
    /// `nil`: the caller's own.
    let namespace: String?
    let function: String
    let version: String?
    /// Whether the body may be a JSON object; else only none at all will do.
    let takesArguments: Bool

    func begin(_ body: UnsafeRawBufferPointer, then: @escaping @Sendable (Activation?) -> Void) -> (any FrontRun)? {
        guard let arguments = arguments(body), let caller = access.grant(credentials, question),
            engine.begin(
                FunctionReference(namespace: namespace ?? caller.namespace, name: function, version: version),
                call: FunctionCall(input: .arguments(arguments)), then: { then($0) })
        else { return nil }
        return Run(id: id ?? RequestID().description)
    }

    private func question(_ caller: Caller) -> AccessRequest {
        AccessRequest(action: .invoke, target: .function, namespace: namespace ?? caller.namespace, name: function)
    }

    private func arguments(_ body: UnsafeRawBufferPointer) -> JSONObject? {
        if body.isEmpty { return JSONObject() }
        guard takesArguments, case .object(let arguments)? = try? JSONValue(parsing: body) else { return nil }
        return arguments
    }

    private struct Run: FrontRun {
        let id: String
        private static let fields = Array(
            "Content-Type: application/json\r\nCache-Control: no-store\r\nX-Request-Id: ".utf8)

        func answer(_ activation: Activation?) -> FrontAnswer {
            var fields = Self.fields
            fields.append(contentsOf: id.utf8)
            fields.append(contentsOf: [0x0D, 0x0A])
            return FrontAnswer(
                status: .ok, fields: fields, body: JSONValue.object(activation?.document() ?? JSONObject()).encoded())
        }
    }
}

extension Responder {
    /// What a head asks for if it is a call that can be answered in front; `nil` for everything else, faults included: the
    /// long way says what is wrong.
    func frontCall(_ head: HTTPRequest, _ engine: any Engine) -> (any FrontCall)? {
        guard head.method == .post, let target = head.path, target.utf8.count <= limits.target else { return nil }
        if target.utf8.starts(with: "/api/v1/namespaces/".utf8) { return whisk?.frontCall(head) }
        guard target.utf8.starts(with: "/v1/functions/".utf8), !EventIntake.isEvent(head.headerFields) else {
            return nil
        }
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
        return NativeFrontCall(
            path: String(halves[0]), route: index, engine: engine, access: access,
            id: Self.requestID(head.headerFields[.requestID]),
            credentials: Credentials(authorization: head.headerFields[.authorization]),
            namespace: Self.namespace(in: rawQuery), function: name, version: query.text("version"),
            takesArguments: type.map(FunctionRoutes.isArguments) ?? false)
    }
}
