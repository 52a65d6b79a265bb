import CloudEvents
import HTTPTypes
import Hummingbird

/// What `wsk api create`, `list`, `get` and `delete` ask, at the addresses of upstream's `whisk.system/apimgmt` actions
/// (`core/routemgmt`); here no action answers them.
extension WhiskFace {
    func manageAPIs(
        _ raw: RawRequest, operation: String, caller: Caller?
    ) async throws(WhiskError) -> Response {
        guard let caller else {
            throw .unauthenticated("The resource requires authentication, which was not supplied with the request")
        }
        let method = raw.head.method
        var response: Response
        do throws(APIFailure) {
            switch (WebProjection.split(operation).name, method) {
            case ("createApi", .post): response = try await createAPI(raw, caller)
            case ("getApi", .get): response = try await getAPIs(raw, caller)
            case ("deleteApi", .delete): response = try await deleteAPI(raw, caller)
            default: throw APIFailure.other(.notFound)
            }
        } catch {
            switch error {
            case .other(let error): throw error
            case .said(let text):
                // As an application error of the action that would answer upstream.
                response = WhiskAnswer.json(["error": .string(text)], status: .badGateway)
            }
        }
        WhiskCORS.addWeb(to: &response.headers, asked: raw.head.headerFields)
        return response
    }

    enum APIFailure: Error {
        /// A text for the person, in the shape in which the command line looks for it.
        case said(String)
        case other(WhiskError)
    }

    private func ask<Value>(_ body: () async throws(WhiskError) -> Value) async throws(APIFailure) -> Value {
        do throws(WhiskError) {
            return try await body()
        } catch {
            throw .other(error)
        }
    }

    private func admit(_ caller: Caller, _ action: AccessAction) async throws(APIFailure) {
        let question = AccessRequest(action: action, target: .api, namespace: caller.namespace, name: nil)
        guard case .allowed = await access.authorize(caller, question) else { throw .other(.notPublic) }
    }

    private func createAPI(_ raw: RawRequest, _ caller: Caller) async throws(APIFailure) -> Response {
        try await admit(caller, .change)
        let request = WhiskRequest(
            head: raw.head, body: raw.body, query: raw.query, transaction: raw.transaction, caller: caller,
            namespace: caller.namespace, sendContinue: raw.sendContinue, isOwn: true)
        let body = try await ask { () async throws(WhiskError) in try await request.object(limit: limits.document) }
        let change = try APIDocument.Change(body["apidoc"], own: caller.namespace, host: host(raw))
        let found = try await apis(caller).first { $0.basePath == change.basePath }
        let base =
            found
            ?? WhiskAPI(
                namespace: caller.namespace, basePath: change.basePath,
                document: APIDocument.empty(basePath: change.basePath, title: change.title))
        var api = base
        api.document = change.applied(
            to: base.document, responseType: raw.query["responsetype"] ?? "json", host: host(raw))
        let made = api
        let stored = try await ask { () async throws(WhiskError) in
            try await asking { () async throws(Problem) in try await engine.whiskPut(made) }
        }
        return WhiskAnswer.json(.object(value(stored, raw)))
    }

    private func getAPIs(_ raw: RawRequest, _ caller: Caller) async throws(APIFailure) -> Response {
        try await admit(caller, .view)
        var found = try await apis(caller)
        if let wanted = raw.query["basepath"], !wanted.isEmpty {
            found = found.filter { wanted.hasPrefix("/") ? $0.basePath == wanted : $0.title == wanted }
        }
        return WhiskAnswer.json([
            "apis": .array(
                found.map { api in
                    ["id": "Not Used", "key": "Not Used", "value": .object(value(api, raw))]
                })
        ])
    }

    private func deleteAPI(_ raw: RawRequest, _ caller: Caller) async throws(APIFailure) -> Response {
        try await admit(caller, .change)
        guard let wanted = raw.query["basepath"], !wanted.isEmpty else { throw .said("basepath is required.") }
        let path = raw.query["relpath"].flatMap { $0.isEmpty ? nil : $0 }
        let verb = raw.query["operation"].flatMap { $0.isEmpty ? nil : $0.lowercased() }
        guard path != nil || verb == nil else {
            throw .said("When specifying an operation, the path is required.")
        }
        let all = try await apis(caller)
        guard var api = all.first(where: { wanted.hasPrefix("/") ? $0.basePath == wanted : $0.title == wanted }) else {
            throw .said("API deletion failure: API '\(wanted)' does not exist.")
        }
        if let path {
            guard let left = APIDocument.removing(path: path, verb: verb, from: api.document) else {
                let what = verb.map { "path \(path) with operation \($0)" } ?? "path \(path)"
                throw .said("API deletion failure: \(what) does not exist in the API")
            }
            api.document = left
        }
        let isEmpty = path == nil || api.document["paths"]?.object?.isEmpty ?? true
        let changed = api
        try await ask { () async throws(WhiskError) in
            try await asking { () async throws(Problem) in
                if isEmpty { try await engine.whiskDelete(changed) } else { _ = try await engine.whiskPut(changed) }
            }
        }
        return WhiskAnswer.json([:])
    }

    private func apis(_ caller: Caller) async throws(APIFailure) -> [WhiskAPI] {
        try await ask { () async throws(WhiskError) in
            try await asking { () async throws(Problem) in
                try await engine.whiskAPIs(namespace: caller.namespace)
            }
        }
    }

    /// An API as the command line reads it.
    private func value(_ api: WhiskAPI, _ raw: RawRequest) -> JSONObject {
        let tenant = engine.whiskTenant(of: api.namespace)
        let base = api.basePath == "/" ? "" : api.basePath
        return [
            "namespace": .string(api.namespace), "gwApiActivated": true, "tenantId": .string(tenant),
            "gwApiUrl": .string("\(host(raw))/api/\(tenant)\(base)"), "apidoc": .object(api.document),
        ]
    }

    /// The server as the client reaches it.
    private func host(_ raw: RawRequest) -> String { "http://\(raw.head.authority ?? "localhost")" }
}
