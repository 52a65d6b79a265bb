import CloudEvents
import HTTPTypes
import Hummingbird

/// The routes of REST APIs: `/api/{tenant}/{base path}/{path}`.
extension WhiskFace {
    /// - Parameter segments: what stands behind `/api/`.
    func gateway(_ raw: RawRequest, _ segments: [Substring]) async throws(WhiskError) -> Response {
        let names = segments.map { PercentDecoding.segment($0) ?? "" }
        guard let tenant = names.first, let namespace = engine.whiskNamespace(tenant: tenant) else {
            throw .noSuchPath
        }
        var wanted = Array(names.dropFirst())
        if wanted.last?.isEmpty ?? false { wanted.removeLast() }
        let apis = try await asking { () async throws(Problem) in try await engine.whiskAPIs(namespace: namespace) }
        // The longest base path that fits; then the route with the most literal segments.
        var best: (base: Int, literals: Int, operations: JSONObject, values: JSONObject, path: String)?
        for api in apis {
            let base = api.basePath.split(separator: "/").map(String.init)
            guard wanted.starts(with: base) else { continue }
            let rest = Array(wanted.dropFirst(base.count))
            for member in api.document["paths"]?.object?.members ?? [] {
                let route = APIRoute(path: member.name, operations: member.value.object ?? [:])
                guard let values = route.match(rest) else { continue }
                if let best, (best.base, best.literals) >= (base.count, route.literals) { continue }
                best = (base.count, route.literals, route.operations, values, "/" + rest.joined(separator: "/"))
            }
        }
        guard let best else { throw .noSuchPath }
        if raw.head.method == .options, best.operations["options"] == nil {
            var response = WhiskAnswer.empty(.ok)
            WhiskCORS.addWeb(to: &response.headers, asked: raw.head.headerFields)
            return response
        }
        let verb = raw.head.method.rawValue.lowercased()
        guard let operation = best.operations[verb] ?? (verb == "head" ? best.operations["get"] : nil) else {
            throw .methodNotAllowed(
                best.operations.names.compactMap { HTTPRequest.Method(rawValue: $0.uppercased()) }
                    .filter { Self.webMethods.contains($0) })
        }
        guard let (path, projection) = APIRoute.action(operation) else { throw .noSuchPath }
        return try await webAction(
            raw, path: path, rest: best.path, projection: projection, user: nil, more: best.values,
            isOpen: path.namespace == namespace)
    }
}
