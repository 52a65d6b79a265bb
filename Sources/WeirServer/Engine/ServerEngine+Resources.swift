import Channels
import CloudEvents
import Delivery
import EventSources
import Foundation
import Functions
import Manifest
import Persistence
import WeirHTTP

extension ServerEngine {
    func resources(
        _ kind: WeirHTTP.ResourceKind, namespace: String, page: PageRequest
    ) async throws(Problem) -> Page<Resource> {
        do {
            let found = try await parts.registry.list(
                kind.stored, namespace: namespace, limit: page.limit, cursor: page.cursor)
            var items: [Resource] = []
            for document in found.resources { items.append(await shown(document)) }
            return Page(items: items, next: found.next)
        } catch {
            throw Problem(error)
        }
    }

    func resource(
        _ kind: WeirHTTP.ResourceKind, namespace: String, name: String
    ) async throws(Problem) -> Resource? {
        guard let document = try stored(kind, namespace, name) else { return nil }
        return await shown(document)
    }

    func put(_ request: PutRequest) async throws(Problem) -> PutOutcome {
        let current = try stored(request.kind, request.namespace, request.name)
        try request.precondition.check(current?.generation)
        do {
            // An API is named by its base path, which its own reader looks at.
            if request.kind != .apis {
                try ResourceName.check(request.name, path: "name", inPackage: request.kind == .functions)
            }
            try ResourceName.checkNamespace(request.namespace, path: "namespace")
        } catch {
            throw Problem(error)
        }
        if request.kind == .functions { return try await putFunction(request, current) }
        let document: JSONValue
        do {
            document = try normalised(request)
        } catch {
            throw Problem(error)
        }
        try parts.check(request.kind, document, name: request.name, current: current)
        let changes = difference(current?.document, document)
        if request.dryRun {
            let verdict: PutOutcome.Verdict = current == nil ? .created : changes.isEmpty ? .unchanged : .updated
            let resource = Resource(
                name: request.name, generation: current?.generation ?? 0,
                document: ["name": .string(request.name), "namespace": .string(request.namespace), "spec": document])
            return PutOutcome(verdict: verdict, resource: resource, changes: changes)
        }
        do {
            let key = ResourceKey(request.kind.stored, request.namespace, request.name)
            let change = try await parts.writer.apply(
                .put(key, document: document, expectedGeneration: expected(request, current)))
            await parts.reconciler.reconcile(key)
            return PutOutcome(verdict: verdict(change), resource: await shown(change.resource), changes: changes)
        } catch {
            throw Problem(error)
        }
    }

    func delete(
        _ kind: WeirHTTP.ResourceKind, namespace: String, name: String, precondition: Precondition, dryRun: Bool,
        caller: Caller
    ) async throws(Problem) -> Bool {
        guard let current = try stored(kind, namespace, name) else { return false }
        try precondition.check(current.generation)
        try parts.checkUnused(kind, namespace: namespace, name: name)
        if dryRun { return true }
        do {
            let key = ResourceKey(kind.stored, namespace, name)
            try await parts.writer.apply(.delete(key, expectedGeneration: current.generation))
            await parts.reconciler.reconcile(key)
            return true
        } catch  where error.code == .notFound {
            return false
        } catch {
            throw Problem(error)
        }
    }

    /// The registry's word of a resource; `nil` when there is none.
    func stored(
        _ kind: WeirHTTP.ResourceKind, _ namespace: String, _ name: String
    ) throws(Problem) -> ResourceDocument? {
        do {
            return try parts.registry.resource(ResourceKey(kind.stored, namespace, name))
        } catch {
            throw Problem(error)
        }
    }

    /// The document in the form in which it is kept: checked, defaults filled in.
    private func normalised(_ request: PutRequest) throws(DocumentError) -> JSONValue {
        switch request.kind {
        case .channels:
            var reader = try DocumentReader(.object(request.document))
            let spec = try ChannelSpec(&reader)
            try reader.finish()
            return spec.document
        case .sources: return try SourceSpec(.object(request.document)).document
        case .subscriptions: return try SubscriptionSpec(.object(request.document)).document
        case .functions: return .null
        case .packages: return try PackageSpec(.object(request.document)).document
        case .apis:
            return try APISpec(.object(request.document), basePath: request.name, namespace: request.namespace).document
        }
    }

    func difference(_ old: JSONValue?, _ new: JSONValue) -> [PutOutcome.Change] {
        guard let old else { return [] }
        return DocumentDiff(from: old, to: new).differences.map {
            PutOutcome.Change(path: $0.path, before: $0.old, after: $0.new)
        }
    }

    func expected(_ request: PutRequest, _ current: ResourceDocument?) -> Int64? {
        if case .none = request.precondition { nil } else { current?.generation ?? 0 }
    }

    func verdict(_ change: RegistryChange) -> PutOutcome.Verdict {
        switch change {
        case .created: .created
        case .updated, .deleted: .updated
        case .unchanged: .unchanged
        }
    }

    /// A resource as it is shown: what was declared and how it is.
    func shown(_ resource: ResourceDocument) async -> Resource {
        var document: JSONObject = [
            "kind": .string(resource.kind.rawValue), "namespace": .string(resource.namespace),
            "name": .string(resource.name), "generation": .integer(resource.generation), "uid": .string(resource.uid),
            "created": .time(resource.created), "updated": .time(resource.updated), "spec": resource.document,
        ]
        document["status"] = await parts.status(of: resource)
        return Resource(name: resource.name, generation: resource.generation, document: document)
    }
}

extension WeirHTTP.ResourceKind {
    /// The registry's word for the kind.
    var stored: Persistence.ResourceKind {
        switch self {
        case .channels: .channel
        case .sources: .source
        case .subscriptions: .subscription
        case .functions: .function
        case .packages: .package
        case .apis: .api
        }
    }
}
