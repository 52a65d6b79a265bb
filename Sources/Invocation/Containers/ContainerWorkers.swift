internal import Functions
internal import Sandboxes

/// Workers that are containers.
struct ContainerWorkers: WorkerKind {
    /// The engine that runs containers here; waits until that is known.
    typealias EngineSource = @Sendable () async throws(ContainerError) -> any ContainerEngine

    let engine: EngineSource
    /// Ends what the engine runs.
    let end: @Sendable () async -> Void

    init(_ engines: ContainerEngines) {
        engine = { () async throws(ContainerError) in try await engines.engine() }
        end = { await engines.stop() }
    }

    func runs(_ version: FunctionVersion) -> Bool { version.runtime == .container }

    func make(_ order: WorkerOrder, owner: FunctionInvoker) -> any FunctionWorker {
        ContainerSession(order, owner: owner, engine: engine)
    }

    func stop() async { await end() }
}
