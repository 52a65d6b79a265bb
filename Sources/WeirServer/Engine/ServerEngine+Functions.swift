import Channels
import CloudEvents
import Functions
import HTTPTypes
import Invocation
import Manifest
import Persistence
import WeirHTTP

extension ServerEngine {
    /// A function's put: its code comes along or stays as it is, and each change is a new version.
    func putFunction(_ request: PutRequest, _ current: ResourceDocument?) async throws(Problem) -> PutOutcome {
        guard request.code != nil || request.document["code"] != nil || request.document["image"] != nil else {
            let message = "the code is required with every change: its text, or {\"filename\": …, \"base64\": …}"
            throw Problem(.unprocessableContent, "invalid-document", message, errors: [.init(.path("code"), message)])
        }
        let upload = FunctionUpload(
            spec: .object(request.document), code: request.code?.bytes ?? [], filename: request.code?.filename ?? "")
        do {
            if request.dryRun {
                let (document, digest) = try await parts.functions.preview(
                    namespace: request.namespace, name: request.name, upload)
                var changes = difference(current?.document, document)
                if let current, current.version != digest {
                    changes.append(
                        .init(
                            path: "version", before: current.version.map { .string($0) }, after: .string(digest)))
                }
                let verdict: PutOutcome.Verdict = current == nil ? .created : changes.isEmpty ? .unchanged : .updated
                return PutOutcome(
                    verdict: verdict,
                    resource: Resource(
                        name: request.name, generation: current?.generation ?? 0,
                        document: [
                            "name": .string(request.name), "namespace": .string(request.namespace), "spec": document,
                        ]), changes: changes)
            }
            let put = try await parts.functions.put(
                namespace: request.namespace, name: request.name, upload,
                expectedGeneration: expected(request, current))
            var changes = difference(current?.document, put.change.resource.document)
            if let current, current.version != put.change.resource.version {
                changes.append(
                    .init(
                        path: "version", before: current.version.map { .string($0) },
                        after: put.change.resource.version.map { .string($0) }))
            }
            return PutOutcome(
                verdict: verdict(put.change), resource: await shown(put.change.resource), changes: changes)
        } catch {
            throw Problem(error)
        }
    }

    func functionVersions(namespace: String, name: String) async throws(Problem) -> [JSONValue]? {
        guard let current = try stored(.functions, namespace, name) else { return nil }
        do {
            return try await parts.functions.versions(namespace: namespace, name: name).map { version in
                .object([
                    "version": .string(version.digest), "code": .string(version.content),
                    "number": .integer(version.number), "created": .time(version.created),
                    "current": .bool(version.digest == current.version), "document": version.document,
                ])
            }
        } catch {
            throw Problem(error)
        }
    }

    func invoke(
        _ function: FunctionReference, call: FunctionCall, blocking: Bool, caller: Caller
    ) async throws(Problem) -> InvocationOutcome {
        guard
            parts.functions.version(
                namespace: function.namespace, name: function.name, digest: function.version) != nil
                || parts.invoker.canRun(function)
        else { throw Problem.notFound("function", function.name) }
        if blocking { return .finished(await parts.invoker.invoke(function, call: call)) }
        return .accepted(id: parts.invoker.start(function, call: call))
    }

    func begin(
        _ function: FunctionReference, call: FunctionCall, then: @escaping @Sendable (Activation) -> Void
    ) -> Bool { parts.invoker.begin(function, call: call, then: then) }

    func activations(_ query: ActivationQuery) async throws(Problem) -> Page<Activation> {
        if let cursor = query.page.cursor, UInt64(cursor) == nil {
            throw Problem(
                .badRequest, "invalid-parameter",
                "the query parameter \"cursor\": \"\(cursor)\" is none that a list gave")
        }
        let filter = ActivationFilter(
            namespace: query.namespace, function: query.function, status: query.status,
            subscription: query.subscription.map { "\(query.namespace)/\($0)" }, since: query.since, until: query.until)
        do {
            let page = try await parts.activations.list(filter, limit: query.page.limit, cursor: query.page.cursor)
            return Page(items: page.activations, next: page.cursor)
        } catch {
            throw Problem(error)
        }
    }

    func activation(id: String, namespace: String) async throws(Problem) -> Activation? {
        await parts.activations.flush()
        do {
            let found = try await parts.activations.get(id)
            return found?.namespace == namespace ? found : nil
        } catch {
            throw Problem(error)
        }
    }
}

extension ServerEngine {
    func logs(_ query: LogQuery) async throws(Problem) -> LogPage { parts.logs.page(query) }

    func waitForLogs(namespace: String, behind cursor: String) async { await parts.logs.wait(behind: cursor) }
}

extension Problem {
    /// A function that could not be made or changed.
    init(_ error: FunctionError) {
        switch error.code {
        case .conflict: self = .conflict(error.message)
        case .notFound: self = Problem(.notFound, "not-found", error.message)
        case .storage: self = .internalError(error.message)
        case .diskFull:
            self = Problem(.insufficientStorage, "disk-full", error.message, headers: [.retryAfter: "10"])
        case .unavailable: self = Problem(.serviceUnavailable, "unavailable", error.message)
        default: self = Problem(.unprocessableContent, "invalid-function", error.message)
        }
    }
}
