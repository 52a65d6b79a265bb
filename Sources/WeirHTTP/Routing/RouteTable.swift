import HTTPTypes

/// All routes, found by path and method.
package struct RouteTable: Sendable {
    package let routes: [Route]

    /// What a path and a method lead to.
    enum Finding {
        case route(index: Int, parameters: [String: Substring])
        case wrongMethod(allowed: [HTTPRequest.Method])
        case nothing
    }

    package init(_ routes: [Route]) {
        self.routes = routes
    }

    /// Finds a route. `HEAD` is answered by the route of `GET`.
    func find(_ method: HTTPRequest.Method, path: Substring) -> Finding {
        guard path.first == "/" else { return .nothing }
        let segments = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        let wanted = method == .head ? .get : method
        var best: (index: Int, parameters: [String: Substring])?
        var bestCount = -1
        var candidates: [(index: Int, parameters: [String: Substring], count: Int)] = []
        for (index, route) in routes.enumerated() {
            guard let parameters = route.pattern.match(segments) else { continue }
            let count = route.pattern.literalCount
            bestCount = max(bestCount, count)
            candidates.append((index, parameters, count))
        }
        // Only the most literal pattern counts: PUT on …/pause is a wrong method, not a thing called pause.
        candidates.removeAll { $0.count != bestCount }
        best = candidates.first { routes[$0.index].method == wanted }.map { ($0.index, $0.parameters) }
        if let best { return .route(index: best.index, parameters: best.parameters) }
        guard !candidates.isEmpty else { return .nothing }
        var allowed = candidates.map { routes[$0.index].method }
        if allowed.contains(.get) { allowed.append(.head) }
        return .wrongMethod(allowed: allowed.sorted { $0.rawValue < $1.rawValue })
    }
}
