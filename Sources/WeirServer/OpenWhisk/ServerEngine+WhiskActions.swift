import CloudEvents
import Functions
import HTTPTypes
import Identity
import Persistence
import WeirHTTP

extension ServerEngine: WhiskEngine {
    func whiskCollection(of name: String, namespace: String) async throws(Problem) -> WhiskCollection? {
        try await reading { () async throws(PersistenceError) in
            if try parts.registry.resource(ResourceKey(.function, namespace, name)) != nil { return .actions }
            if try parts.registry.resource(ResourceKey(.package, namespace, name)) != nil { return .packages }
            if try parts.registry.resource(ResourceKey(.channel, namespace, name)) != nil { return .triggers }
            if try parts.registry.resource(ResourceKey(.subscription, namespace, name)) != nil { return .rules }
            if try await parts.registry.count(.function, namespace: namespace, prefix: name + "/") > 0 {
                return .packages
            }
            return nil
        }
    }

    func whiskKnows(namespace: String) async throws(Problem) -> Bool {
        if parts.keys.isKnown(namespace: namespace) { return true }
        return try await reading { () async throws(PersistenceError) in
            try await parts.registry.count(.function, namespace: namespace) > 0
        }
    }

    func whiskAction(_ path: WhiskPath) throws(Problem) -> WhiskAction? {
        do throws(PersistenceError) {
            return try parts.directory.action(path)
        } catch {
            throw Problem(error)
        }
    }

    func whiskActions(
        namespace: String, package: String?, limit: Int, skip: Int
    ) async throws(Problem) -> [WhiskAction] {
        try await reading { () async throws(PersistenceError) in
            try await parts.registry.newest(
                .function, namespace: namespace, prefix: package.map { $0 + "/" } ?? "", limit: limit, skip: skip
            ).map { WhiskAction($0) }
        }
    }

    func whiskActionCount(namespace: String, package: String?) async throws(Problem) -> Int {
        try await reading { () async throws(PersistenceError) in
            try await parts.registry.count(
                .function, namespace: namespace, prefix: package.map { $0 + "/" } ?? "")
        }
    }

    func whiskCode(_ path: WhiskPath) async throws(Problem) -> (text: String, isBinary: Bool)? {
        let resource = try await reading { () async throws(PersistenceError) in
            try parts.registry.resource(ResourceKey(.function, path.namespace, path.local))
        }
        guard let resource else { return nil }
        return await parts.functions.code(of: resource)
    }

    func whiskPut(_ action: WhiskAction, code: UploadedCode) async throws(Problem) -> WhiskAction {
        let current = try await reading { () async throws(PersistenceError) in
            try parts.registry.resource(ResourceKey(.function, action.path.namespace, action.path.local))
        }
        let document = Self.document(of: action, over: current, isKept: code.isKept)
        do throws(FunctionError) {
            let put = try await parts.functions.put(
                namespace: action.path.namespace, name: action.path.local, document: document, code: code,
                expectedGeneration: action.generation)
            return WhiskAction(put.change.resource)
        } catch {
            throw Problem(error)
        }
    }

    /// What only the native API can say of a function outlives an update by this one.
    private static func document(
        of action: WhiskAction, over current: ResourceDocument?, isKept: Bool
    ) -> JSONObject {
        var document = action.functionDocument()
        guard let current = current?.document.object else { return document }
        var names = ["description", "input", "output", "mounts", "network", "scale", "limit"]
        if isKept {
            names += ["requirements"]
            // The code is called as it was.
            for name in ["runtime", "handler", "call"] { document[name] = current[name] }
        }
        for name in names { document[name] = current[name] }
        if action.limits.instances == nil { document["concurrency"] = current["concurrency"] }
        var environment = current["environment"]?.object ?? [:]
        for name in current["openwhisk"]?["init"]?.object?.names ?? [] { environment[name] = nil }
        environment = environment.overlaid(with: document["environment"]?.object ?? [:])
        document["environment"] = environment.isEmpty ? nil : .object(environment)
        return document
    }

    func whiskDelete(_ action: WhiskAction) async throws(Problem) {
        do throws(FunctionError) {
            try await parts.functions.delete(
                namespace: action.path.namespace, name: action.path.local, expectedGeneration: action.generation)
        } catch {
            throw Problem(error)
        }
    }

    func whiskResolve(_ path: WhiskPath) throws(Problem) -> WhiskResolution {
        do throws(PersistenceError) {
            return try parts.directory.resolve(path)
        } catch {
            throw Problem(error)
        }
    }

    // MARK: Packages

    func whiskPackage(namespace: String, name: String) async throws(Problem) -> WhiskPackage? {
        try await reading { () async throws(PersistenceError) in
            if let package = try parts.directory.package(namespace, name) { return package }
            guard try await parts.registry.count(.function, namespace: namespace, prefix: name + "/") > 0 else {
                return nil
            }
            return WhiskPackage(namespace: namespace, name: name)
        }
    }

    func whiskPackages(namespace: String) async throws(Problem) -> [WhiskPackage] {
        try await reading { () async throws(PersistenceError) in
            var found = parts.registry.all(.package).filter { $0.namespace == namespace }.map { WhiskPackage($0) }
            let known = Set(found.map(\.name))
            for (name, updated) in try await parts.registry.prefixes(.function, namespace: namespace)
            where !known.contains(name) {
                found.append(WhiskPackage(namespace: namespace, name: name, updated: updated))
            }
            return found.sorted { ($1.updated, $0.name) < ($0.updated, $1.name) }
        }
    }

    func whiskPut(_ package: WhiskPackage) async throws(Problem) -> WhiskPackage {
        try await reading { () async throws(PersistenceError) in
            let change = try await parts.writer.put(
                .package, package.namespace, package.name, package.stored, expectedGeneration: package.generation)
            return WhiskPackage(change.resource)
        }
    }

    func whiskDelete(_ package: WhiskPackage) async throws(Problem) {
        // One that was never made by itself went with its last function.
        guard package.generation > 0 else { return }
        try await reading { () async throws(PersistenceError) in
            _ = try await parts.writer.delete(
                .package, package.namespace, package.name, expectedGeneration: package.generation)
        }
    }

    /// Runs what asks the registry and says its errors as problems.
    func reading<Value>(
        _ body: () async throws(PersistenceError) -> Value
    ) async throws(Problem) -> Value {
        do throws(PersistenceError) {
            return try await body()
        } catch {
            throw Problem(error)
        }
    }
}
