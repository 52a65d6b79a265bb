import Channels
import CloudEvents
import Crypto
import Foundation
import Invocation
import Persistence
import WeirHTTP

extension ServerEngine {
    func whiskActivationID() -> String { parts.pool.makeID() }

    func whiskRun(_ call: WhiskCall) async -> Activation {
        let (function, request) = run(of: call)
        return await parts.invoker.invoke(function, call: request)
    }

    func whiskBegin(_ call: WhiskCall, then: @escaping @Sendable (Activation) -> Void) -> Bool {
        let (function, request) = run(of: call)
        return parts.invoker.begin(function, call: request, then: then)
    }

    private func run(of call: WhiskCall) -> (FunctionReference, FunctionCall) {
        let path = call.target.action.path
        var entry: ActionDirectory.Entry?
        // By the name that was asked for, through its binding where it has one.
        let asked = call.target.binding.map { binding in
            let parts = binding.split(separator: "/", maxSplits: 1).map(String.init)
            return WhiskPath(namespace: parts[0], package: parts.count == 2 ? parts[1] : nil, name: path.name)
        }
        entry = try? parts.directory.entry(asked ?? path)
        let function = FunctionReference(
            namespace: (asked ?? path).namespace, name: (asked ?? path).local)
        var request = FunctionCall(
            input: .arguments(call.arguments), cause: .init(namespace: call.namespace),
            activationID: call.activationID)
        if let entry, !entry.isSequence, !entry.target.action.isNative {
            request.environment = parts.invoker.environment(
                entry, namespace: call.namespace, transaction: call.transaction)
        }
        return (function, request)
    }

    // MARK: Activations

    func whiskActivations(_ query: WhiskActivationQuery) async throws(Problem) -> [Activation] {
        // Records are kept in the order in which runs end; a list is in that in which they began. The two differ by no
        // more than runs overlap, so somewhat more than what is wanted is put in order.
        let wanted = query.skip + query.limit
        var found = try await activations(query, atLeast: wanted + Self.overlap)
        found.sort { a, b in
            let (left, right) = (WhiskRecord.start(of: a), WhiskRecord.start(of: b))
            return left == right ? a.id > b.id : left > right
        }
        return Array(found.dropFirst(query.skip).prefix(query.limit))
    }

    private static let overlap = 200

    func whiskActivationCount(_ query: WhiskActivationQuery) async throws(Problem) -> Int {
        try await activations(query, atLeast: .max).count
    }

    private func activations(
        _ query: WhiskActivationQuery, atLeast wanted: Int
    ) async throws(Problem) -> [Activation] {
        // A record holds when the run began; its init began before.
        let filter = ActivationFilter(
            namespace: query.namespace, function: query.name, since: query.since,
            until: query.upto.map { $0 >= .max - 600_000 ? .max : $0 + 600_000 })
        var found: [Activation] = []
        var cursor: String?
        repeat {
            do {
                let page = try await parts.activations.list(filter, limit: 1_000, cursor: cursor)
                found += page.activations.filter { activation in
                    let start = WhiskRecord.start(of: activation)
                    return query.since.map { start >= $0 } ?? true && query.upto.map { start <= $0 } ?? true
                }
                cursor = page.cursor
            } catch {
                throw Problem(error)
            }
        } while cursor != nil && found.count < wanted
        return found
    }

    func whiskActivation(id: String, namespace: String) async throws(Problem) -> Activation? {
        try await activation(id: id, namespace: namespace)
    }
}

/// REST APIs.
extension ServerEngine {
    func whiskAPIs(namespace: String) async throws(Problem) -> [WhiskAPI] {
        parts.registry.all(.api).filter { $0.namespace == namespace }.map { WhiskAPI($0) }
            .sorted { $0.basePath < $1.basePath }
    }

    func whiskPut(_ api: WhiskAPI) async throws(Problem) -> WhiskAPI {
        try await reading { () async throws(PersistenceError) in
            let change = try await parts.writer.put(
                .api, api.namespace, api.basePath, ["swagger": .object(api.document)],
                expectedGeneration: api.generation)
            return WhiskAPI(change.resource)
        }
    }

    func whiskDelete(_ api: WhiskAPI) async throws(Problem) {
        try await reading { () async throws(PersistenceError) in
            _ = try await parts.writer.delete(
                .api, api.namespace, api.basePath, expectedGeneration: api.generation)
        }
    }

    func whiskTenant(of namespace: String) -> String { WhiskAPI.tenant(of: namespace) }

    func whiskNamespace(tenant: String) -> String? {
        Set(parts.registry.all(.api).map(\.namespace)).first { whiskTenant(of: $0) == tenant }
    }
}

extension WhiskAPI {
    /// A UUID made of the namespace's name, so that addresses stay what they are.
    static func tenant(of namespace: String) -> String {
        let digest = SHA256.hash(data: Array("weir api \(namespace)".utf8))
        let hex = digest.prefix(16).map { byte in
            let text = String(byte, radix: 16)
            return text.utf8.count == 1 ? "0" + text : text
        }
        return [hex[0..<4], hex[4..<6], hex[6..<8], hex[8..<10], hex[10..<16]].map { $0.joined() }
            .joined(separator: "-")
    }

    init(_ resource: ResourceDocument) {
        self.init(
            namespace: resource.namespace, basePath: resource.name,
            document: resource.document["swagger"]?.object ?? [:], updated: resource.updated,
            generation: resource.generation)
    }
}
