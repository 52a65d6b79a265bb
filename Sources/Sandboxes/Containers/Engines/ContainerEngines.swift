package import CloudEvents
package import Functions
internal import Synchronization

/// The container engine of this server: the first of those in question that was tried and works.
package final class ContainerEngines: Sendable {
    /// One that may be there.
    package struct Candidate: Sendable {
        package var name: String
        /// Makes it and tries it with a throw-away container.
        package var open: @Sendable () async throws(ContainerError) -> any ContainerEngine

        package init(
            _ name: String, open: @escaping @Sendable () async throws(ContainerError) -> any ContainerEngine
        ) {
            self.name = name
            self.open = open
        }
    }

    private let candidates: [Candidate]
    private let log: @Sendable (String) -> Void
    private let state = Mutex(State())

    private struct State {
        var search: Task<Result<any ContainerEngine, ContainerError>, Never>?
        var found: (any ContainerEngine)?
        var failures: [(name: String, reason: String)] = []
        var isStopped = false
    }

    /// - Parameters:
    ///   - candidates: the best first; empty: containers are switched off.
    ///   - log: is told which engine serves, or why none does.
    package init(_ candidates: [Candidate], log: @escaping @Sendable (String) -> Void = { _ in }) {
        self.candidates = candidates
        self.log = log
    }

    /// Begins to look, unless that was done.
    package func begin() { _ = search() }

    /// The engine; waits until it is found.
    package func engine() async throws(ContainerError) -> any ContainerEngine { try await search().value.get() }

    /// What was found, as far as that is known by now.
    package var document: JSONValue {
        state.withLock { state in
            var document = JSONObject()
            if candidates.isEmpty {
                document["state"] = "off"
            } else if let found = state.found {
                document["state"] = "ready"
                for member in found.document.object?.members ?? [] { document[member.name] = member.value }
            } else {
                let word =
                    state.search == nil
                    ? "not tried yet" : state.failures.count < candidates.count ? "trying" : "missing"
                document["state"] = .string(word)
            }
            if !state.failures.isEmpty {
                document["failed"] = .array(
                    state.failures.map { ["engine": .string($0.name), "reason": .string($0.reason)] })
            }
            return .object(document)
        }
    }

    package func stop() async {
        let search = state.withLock { state in
            state.isStopped = true
            return state.search
        }
        if case .success(let engine)? = await search?.value { await engine.stop() }
    }

    private func search() -> Task<Result<any ContainerEngine, ContainerError>, Never> {
        state.withLock { state in
            if let search = state.search { return search }
            let task = Task<Result<any ContainerEngine, ContainerError>, Never> { [self] in await look() }
            state.search = task
            return task
        }
    }

    private func look() async -> Result<any ContainerEngine, ContainerError> {
        for candidate in candidates {
            if state.withLock({ $0.isStopped }) { break }
            do {
                let engine = try await candidate.open()
                state.withLock { $0.found = engine }
                log("Containers are run by \(engine.name)")
                return .success(engine)
            } catch {
                state.withLock { $0.failures.append((candidate.name, error.message)) }
            }
        }
        let reasons = state.withLock { $0.failures.map { "\($0.name): \($0.reason)" } }.joined(separator: "; ")
        let message =
            candidates.isEmpty
            ? "containers are switched off on this server (--container-engine none)"
            : "no container engine works on this server (\(reasons))"
        if !candidates.isEmpty { log("Functions in containers cannot run: \(message)") }
        return .failure(ContainerError(.unavailable, message))
    }
}

extension ContainerEngines: ContainerImages {
    package func pin(
        _ image: ImageReference, pull: ContainerSpec.Pull, namespace: String
    ) async throws(FunctionError) -> PinnedImage {
        do throws(ContainerError) {
            return try await engine().pin(image, pull: pull, namespace: namespace)
        } catch {
            throw FunctionError(error)
        }
    }

    package func build(_ order: ImageBuildOrder) async throws(FunctionError) -> PinnedImage {
        do throws(ContainerError) {
            return try await engine().build(order)
        } catch {
            throw FunctionError(error)
        }
    }

    package func built(_ order: ImageBuildOrder) async -> PinnedImage? {
        guard let engine = try? await engine() else { return nil }
        return await engine.built(order)
    }
}

extension FunctionError {
    init(_ error: ContainerError) {
        switch error.code {
        case .unavailable: self.init(.unavailable, error.message)
        case .diskFull: self.init(.diskFull, error.message)
        case .storage: self.init(.storage, error.message)
        case .tooLarge: self.init(.tooLarge, error.message)
        case .notFound, .unauthorized, .invalidImage, .refused, .buildFailed, .startFailed:
            self.init(.image, error.message)
        }
    }
}
