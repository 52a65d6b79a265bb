import HTTPTypes

/// What a path below `/api/v1/namespaces` means.
enum WhiskRoute: Equatable {
    case namespaces
    case limits
    /// Limits of something inside a namespace, which there are not.
    case innerLimits
    case collection(WhiskCollection)
    /// The actions of a package; told from an action by the slash at the end.
    case contents(package: String)
    case entity(WhiskCollection, package: String?, name: String)
    case activations
    case activation(id: String, part: Part)

    enum Part: String { case record, logs, result }

    /// What a verb on a route asks of the one authorisation point.
    struct Right {
        var action: AccessAction
        var target: AccessTarget
    }

    /// Reads the segments behind `/api/v1/namespaces`.
    ///
    /// - Returns: the namespace as it is written, and what is meant within it.
    /// - Throws: 404 for a path that leads nowhere, 400 for a name that is none.
    static func read(_ raw: [Substring]) throws(WhiskError) -> (namespace: String?, route: WhiskRoute) {
        var segments = raw
        guard let first = segments.first, !(first.isEmpty && segments.count == 1) else { return (nil, .namespaces) }
        guard segments.count > 1 else { throw .noSuchPath }
        let namespace = try name(first, check: WhiskName.check(namespace:))
        let collection = segments[1]
        segments.removeFirst(2)
        // One slash at the end is allowed on everything; behind a package's name it means its actions.
        let endsWithSlash = segments.last?.isEmpty ?? false
        if endsWithSlash { segments.removeLast() }
        switch collection {
        case "limits":
            return (namespace, segments.isEmpty ? .limits : .innerLimits)
        case "activations":
            return (namespace, try activation(segments))
        default:
            guard let collection = WhiskCollection(rawValue: String(collection)) else { throw .noSuchPath }
            return (namespace, try entity(collection, segments, endsWithSlash: endsWithSlash))
        }
    }

    private static func activation(_ segments: [Substring]) throws(WhiskError) -> WhiskRoute {
        guard let first = segments.first else { return .activations }
        guard let id = PercentDecoding.segment(first) else { throw .noSuchPath }
        switch segments.count {
        case 1: return .activation(id: id, part: .record)
        case 2:
            guard let part = Part(rawValue: String(segments[1])), part != .record else { throw .noSuchPath }
            return .activation(id: id, part: part)
        default: throw .noSuchPath
        }
    }

    private static func entity(
        _ collection: WhiskCollection, _ segments: [Substring], endsWithSlash: Bool
    ) throws(WhiskError) -> WhiskRoute {
        var names: [String] = []
        for segment in segments {
            // Clients write the slash between package and name as it is or escaped.
            guard let text = PercentDecoding.segment(segment) else {
                throw WhiskError(.badRequest, "The name of the entity contains illegal characters.")
            }
            for part in text.split(separator: "/", omittingEmptySubsequences: false) {
                try WhiskName.check(entity: String(part))
                names.append(String(part))
            }
        }
        switch (names.count, collection) {
        case (0, _): return .collection(collection)
        case (1, .actions) where endsWithSlash: return .contents(package: names[0])
        case (1, _): return .entity(collection, package: nil, name: names[0])
        case (2, .actions): return .entity(collection, package: names[0], name: names[1])
        default: throw .noSuchPath
        }
    }

    private static func name(
        _ raw: Substring, check: (String) throws(WhiskError) -> Void
    ) throws(WhiskError) -> String {
        guard let text = PercentDecoding.segment(raw) else {
            throw WhiskError(.badRequest, "The namespace contains illegal characters.")
        }
        try check(text)
        return text
    }

    /// The verbs that it takes.
    var methods: [HTTPRequest.Method] {
        switch self {
        case .namespaces, .limits, .innerLimits, .collection, .contents, .activations, .activation: [.get]
        case .entity(.packages, _, _): [.get, .put, .delete]
        case .entity: [.get, .put, .post, .delete]
        }
    }

    /// The name that is asked about; `nil`: all of the kind.
    var resource: String? {
        switch self {
        case .entity(_, let package, let name): package.map { "\($0)/\(name)" } ?? name
        case .contents(let package): package
        case .activation(let id, _): id
        default: nil
        }
    }

    /// What a verb needs; `nil` where knowing the caller is enough.
    func right(_ method: HTTPRequest.Method) -> Right? {
        switch self {
        case .namespaces: return nil
        case .limits, .innerLimits: return Right(action: .view, target: .function)
        case .activations, .activation: return Right(action: .view, target: .activation)
        case .collection(let collection): return Right(action: .view, target: Self.target(collection))
        case .contents: return Right(action: .view, target: .function)
        case .entity(let collection, _, _):
            let target = Self.target(collection)
            switch (method, collection) {
            case (.put, _), (.delete, _): return Right(action: .change, target: target)
            case (.post, .actions): return Right(action: .invoke, target: target)
            case (.post, .triggers): return Right(action: .publish, target: target)
            case (.post, _): return Right(action: .operate, target: target)
            default: return Right(action: .view, target: target)
            }
        }
    }

    /// Whether others than the owner may ask: what is in a public package, and which packages are public.
    func isSharable(_ method: HTTPRequest.Method) -> Bool {
        switch self {
        case .collection(.packages), .contents: true
        case .entity(.packages, _, _): method == .get
        case .entity(.actions, let package, _): package != nil && (method == .get || method == .post)
        default: false
        }
    }

    private static func target(_ collection: WhiskCollection) -> AccessTarget {
        switch collection {
        case .actions: .function
        case .triggers: .channel
        case .rules: .subscription
        case .packages: .package
        }
    }
}
