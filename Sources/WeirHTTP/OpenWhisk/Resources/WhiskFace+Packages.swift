import CloudEvents
import HTTPTypes
import Hummingbird

/// Packages and bindings.
extension WhiskFace {
    func listPackages(_ request: WhiskRequest) async throws(WhiskError) -> Response {
        let page = try request.query.page("packages")
        var found = try await asking { () async throws(Problem) in
            try await engine.whiskPackages(namespace: request.namespace)
        }
        // Of others only what they have to share is seen.
        if !request.isOwn { found.removeAll { !$0.publish || $0.binding != nil } }
        if try request.query.flag("count") {
            return WhiskAnswer.json(["packages": .integer(Int64(max(0, found.count - page.skip)))])
        }
        return WhiskAnswer.json(
            .array(
                found.dropFirst(page.skip).prefix(page.limit).map { package in
                    var document = package.head
                    document["binding"] = package.binding.map { .object($0.document) } ?? false
                    document["updated"] = .integer(package.updated)
                    return .object(document)
                }))
    }

    func getPackage(_ request: WhiskRequest, _ name: String) async throws(WhiskError) -> Response {
        WhiskAnswer.json(try await document(try await package(name, request), request))
    }

    func putPackage(_ request: WhiskRequest, _ name: String) async throws(WhiskError) -> Response {
        guard name != "default" else { throw WhiskError(.badRequest, "Package name 'default' is reserved.") }
        let overwrite = try request.query.flag("overwrite")
        let body = try WhiskBody(try await request.object(limit: limits.document * 4))
        let binding = try await self.binding(body["binding"], request)
        let found = try await asking { () async throws(Problem) in
            try await engine.whiskPackage(namespace: request.namespace, name: name)
        }
        var package: WhiskPackage
        if let found, found.generation > 0 || overwrite {
            guard overwrite else { throw .exists }
            guard binding == nil || found.binding != nil else {
                throw WhiskError(.conflict, "Resource is a package and cannot be converted into a binding.")
            }
            package = found
            package.version = WhiskVersion.after(found.version, asked: body.version)
            package.publish = body.publish ?? found.publish
            package.parameters = body.parameters ?? found.parameters
            package.annotations = body.annotations ?? found.annotations
            package.binding = binding ?? found.binding
        } else {
            if found == nil,
                case .wrongCollection = try await absent(
                    WhiskPath(namespace: request.namespace, name: name), .packages)
            {
                throw .wrongCollection
            }
            package = WhiskPackage(
                namespace: request.namespace, name: name, version: body.version ?? "0.0.1",
                publish: body.publish ?? false, parameters: body.parameters ?? [],
                annotations: body.annotations ?? [:], binding: binding)
        }
        // It says what is bound, and is the server's to say.
        if let binding = package.binding {
            package.annotations["binding"] = nil
            package.annotations["binding"] = .object(binding.document)
        }
        let made = package
        let stored = try await asking { () async throws(Problem) in try await engine.whiskPut(made) }
        return WhiskAnswer.json(stored.document)
    }

    func deletePackage(_ request: WhiskRequest, _ name: String) async throws(WhiskError) -> Response {
        let force = try request.query.flag("force")
        let package = try await self.package(name, request)
        if package.binding == nil {
            let count = try await asking { () async throws(Problem) in
                try await engine.whiskActionCount(namespace: request.namespace, package: name)
            }
            guard count == 0 || force else {
                throw WhiskError(
                    .conflict,
                    "Package not empty (contains \(count) \(count == 1 ? "entity" : "entities")). Set force param or "
                        + "delete package contents.")
            }
        }
        try await asking { () async throws(Problem) in
            if package.binding == nil {
                while let action = try await engine.whiskActions(
                    namespace: package.namespace, package: package.name, limit: 1, skip: 0
                ).first {
                    try await engine.whiskDelete(action)
                }
            }
            try await engine.whiskDelete(package)
        }
        return WhiskAnswer.json(package.document)
    }

    /// What a package is to be bound to: a package that is there, no binding itself, and for the caller to use.
    private func binding(
        _ value: JSONValue?, _ request: WhiskRequest
    ) async throws(WhiskError) -> WhiskPackage.Binding? {
        guard let value else { return nil }
        guard let object = value.object else {
            throw .malformed("binding must be an object with namespace and name")
        }
        guard !object.isEmpty else { return nil }
        guard let name = object["name"]?.string, WhiskName.isName(name) else {
            throw .malformed("binding must name a package: namespace and name")
        }
        let written = object["namespace"]?.string ?? "_"
        let namespace = written == "_" ? request.caller.namespace : written
        guard WhiskName.isName(namespace) else { throw .malformed("binding must name a package: namespace and name") }
        let found = try await asking { () async throws(Problem) in
            try await engine.whiskPackage(namespace: namespace, name: name)
        }
        let question = AccessRequest(action: .view, target: .package, namespace: namespace, name: name)
        if case .denied = await access.authorize(request.caller, question), found?.publish != true {
            throw .forbidden(["\(namespace)/\(name)"])
        }
        guard let found else {
            let other = try await asking { () async throws(Problem) in
                try await engine.whiskCollection(of: name, namespace: namespace)
            }
            throw other == nil
                ? WhiskError(.badRequest, "Binding references a package that does not exist.")
                : WhiskError(.conflict, "Cannot bind to a resource that is not a package.")
        }
        guard found.binding == nil else {
            throw WhiskError(.badRequest, "Cannot bind to another package binding.")
        }
        return WhiskPackage.Binding(namespace: namespace, name: name)
    }

    /// The package behind a binding, for one who may see it.
    func provider(
        of package: WhiskPackage, _ binding: WhiskPackage.Binding, _ request: WhiskRequest
    ) async throws(WhiskError) -> WhiskPackage {
        let (namespace, name) = (binding.namespace, binding.name)
        let provider = try await asking { () async throws(Problem) in
            try await engine.whiskPackage(namespace: namespace, name: name)
        }
        let question = AccessRequest(action: .view, target: .package, namespace: namespace, name: name)
        // In another's namespace what is missing looks like what is forbidden.
        if case .denied = await access.authorize(request.caller, question), provider?.publish != true {
            throw .forbidden(["\(namespace)/\(name)"])
        }
        guard let provider else { throw .notFound }
        if provider.binding != nil {
            throw WhiskError(
                .unprocessableContent, "Package binding '\(package.name)' contains a circular reference.")
        }
        return provider
    }

    /// A package with what is in it; of a binding what the provider has.
    private func document(_ package: WhiskPackage, _ request: WhiskRequest) async throws(WhiskError) -> JSONValue {
        var (namespace, name) = (package.namespace, package.name)
        var shown = package
        if let binding = package.binding {
            (namespace, name) = (binding.namespace, binding.name)
            let provider = try await provider(of: package, binding, request)
            let more = provider.parameters.filter { one in !package.parameters.contains { $0.key == one.key } }
            shown.parameters = more + package.parameters
        }
        let (owner, provider) = (namespace, name)
        var found: [WhiskAction] = []
        while true {
            let skip = found.count
            let more = try await asking { () async throws(Problem) in
                try await engine.whiskActions(namespace: owner, package: provider, limit: 1000, skip: skip)
            }
            found += more
            if more.count < 1000 { break }
        }
        var document = shown.document.object ?? [:]
        func list(_ actions: [WhiskAction]) -> JSONValue {
            .array(
                actions.map { action in
                    [
                        "name": .string(action.path.name), "version": .string(action.version),
                        "annotations": action.annotations.whiskList,
                    ]
                })
        }
        document["actions"] = list(found.filter { !$0.isFeed })
        document["feeds"] = list(found.filter(\.isFeed))
        return .object(document)
    }
}

extension WhiskPackage {
    fileprivate var head: JSONObject {
        [
            "namespace": .string(namespace), "name": .string(name), "version": .string(version),
            "publish": .bool(publish), "annotations": annotations.whiskList,
        ]
    }

    fileprivate var document: JSONValue {
        var members = head
        members["parameters"] = .array(parameters.map(\.document))
        members["binding"] = .object(binding?.document ?? [:])
        members["updated"] = .integer(updated)
        return .object(members)
    }
}

extension WhiskPackage.Binding {
    var document: JSONObject { ["namespace": .string(namespace), "name": .string(name)] }
}
