import HTTPTypes

/// All routes, found by path and method.
package struct RouteTable: Sendable {
    package let routes: [Route]
    /// The routes by the segment that tells most: the second where there is one, else the first.
    private let buckets: [Substring: [Int]]

    /// What a path and a method lead to.
    enum Finding {
        case route(index: Int, parameters: [String: Substring])
        case wrongMethod(allowed: [HTTPRequest.Method])
        case nothing
    }

    package init(_ routes: [Route]) {
        self.routes = routes
        buckets = Dictionary(grouping: routes.indices) { index in
            Self.key(routes[index].pattern.description.dropFirst().split(separator: "/"))
        }
    }

    private static func key(_ segments: [Substring]) -> Substring { segments.count > 1 ? segments[1] : segments[0] }

    /// Finds a route. `HEAD` is answered by the route of `GET`.
    func find(_ method: HTTPRequest.Method, path: Substring) -> Finding {
        guard path.first == "/" else { return .nothing }
        let segments = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        let wanted = method == .head ? .get : method
        var bestCount = -1
        var candidates: [(index: Int, parameters: [String: Substring], count: Int)] = []
        for index in buckets[Self.key(segments)] ?? [] {
            let route = routes[index]
            guard let parameters = route.pattern.match(segments) else { continue }
            let count = route.pattern.literalCount
            bestCount = max(bestCount, count)
            candidates.append((index, parameters, count))
        }
        // Only the most literal pattern counts: PUT on …/pause is a wrong method, not a thing called pause.
        candidates.removeAll { $0.count != bestCount }
        if let best = candidates.first(where: { routes[$0.index].method == wanted }) {
            return .route(index: best.index, parameters: best.parameters)
        }
        guard !candidates.isEmpty else { return .nothing }
        var allowed = candidates.map { routes[$0.index].method }
        if allowed.contains(.get) { allowed.append(.head) }
        return .wrongMethod(allowed: allowed.sorted { $0.rawValue < $1.rawValue })
    }
}
