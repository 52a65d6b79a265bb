internal import CloudEvents
package import Functions
package import Logging
package import Sandboxes
internal import Synchronization

/// Installs and builds what versions need, each thing once, in sandboxes; nothing half-made stays.
package final class Preparer: CodePreparation {
    let configuration: PreparationConfiguration
    let invocation: InvocationConfiguration
    let launcher: Launcher
    private let layers: LayerStore
    private let interpreters: Interpreters
    private let logger: Logger
    private let state: Mutex<State>

    private struct State {
        /// Work under way by its key: who asks for the same waits for the same.
        var running: [String: Task<Result<String, FunctionError>, Never>] = [:]
        /// How many more may begin.
        var places: Int
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    package init(
        _ configuration: PreparationConfiguration, _ invocation: InvocationConfiguration, launcher: Launcher,
        layers: LayerStore, interpreters: Interpreters, logger: Logger
    ) {
        self.configuration = configuration
        self.invocation = invocation
        self.launcher = launcher
        self.layers = layers
        self.interpreters = interpreters
        self.logger = logger
        state = Mutex(State(places: max(1, configuration.concurrency)))
    }

    package func prepare(_ order: PreparationOrder) async throws(FunctionError) -> FunctionVersion.Layer {
        let plan = try await plan(order, in: nil)
        if let known = layer(of: plan) { return known }
        let task = state.withLock { state in
            if let running = state.running[plan.key] { return running }
            // Not the asker's own task: when it goes away, the work is done all the same, and found the next time.
            let task = Task { () async -> Result<String, FunctionError> in
                let result = await made(order, plan)
                self.state.withLock { _ = $0.running.removeValue(forKey: plan.key) }
                return result
            }
            state.running[plan.key] = task
            return task
        }
        let digest = try await task.value.get()
        return FunctionVersion.Layer(kind: plan.kind, digest: digest, directory: layers.folder(digest))
    }

    package func prepared(_ order: PreparationOrder) async -> FunctionVersion.Layer? {
        guard let plan = try? await plan(order, in: nil) else { return nil }
        return layer(of: plan)
    }

    private func layer(of plan: PreparationPlan) -> FunctionVersion.Layer? {
        layers.layer(of: plan.key).map {
            FunctionVersion.Layer(kind: plan.kind, digest: $0, directory: layers.folder($0))
        }
    }

    // MARK: Planning

    /// Where the steps will find things. Before there is a work folder the plan is only asked for its key.
    private func paths(_ order: PreparationOrder, _ work: WorkFolder?) -> PreparationPaths {
        guard launcher.isolation?.canAttach != true else {
            return PreparationPaths(
                code: SandboxPath.code, output: SandboxPath.output, scratch: SandboxPath.input,
                runners: RunnerFiles(directory: SandboxPath.runtimes), runnersKey: invocation.runners.directory)
        }
        return PreparationPaths(
            code: order.directory, output: work?.output ?? "", scratch: work?.scratch ?? "",
            runners: invocation.runners, runnersKey: invocation.runners.directory)
    }

    private func plan(
        _ order: PreparationOrder, in work: WorkFolder?
    ) async throws(FunctionError) -> PreparationPlan {
        let paths = paths(order, work)
        switch (order.work, order.runtime) {
        case (.install(let requirements), .nodejs):
            guard let node = await interpreters.node(invocation.node) else { throw missing(invocation.node) }
            guard let npm = Interpreters.npm(of: node) else {
                throw FunctionError(
                    .unavailable, "npm is not installed on the server: pack node_modules with the code instead")
            }
            return try .node(requirements, order, paths, target: node, npm: npm, configuration)
        case (.install(let requirements), _):
            guard let python = await interpreters.python(invocation.python) else { throw missing(invocation.python) }
            guard let installer = await interpreters.installer(for: python) else {
                throw FunctionError(
                    .unavailable, "pip is not installed on the server: pack the packages with the code instead")
            }
            return try .python(requirements, order, paths, target: python, installer: installer, configuration)
        case (.build, _):
            guard let swift = await interpreters.swift(invocation.swift) else {
                throw FunctionError(
                    .unavailable,
                    "there is no Swift compiler on the server: build the program yourself (with --static-swift-stdlib) "
                        + "and deploy it in place of its sources")
            }
            return try .swift(order, paths, toolchain: swift, configuration)
        }
    }

    private func missing(_ program: String) -> FunctionError {
        FunctionError(.unavailable, "\(program) does not run on the server: it is needed to install packages")
    }

    // MARK: Working

    private func made(_ order: PreparationOrder, _ sketch: PreparationPlan) async -> Result<String, FunctionError> {
        await takePlace()
        defer { givePlaceBack() }
        do throws(FunctionError) {
            let work = try layers.makeWorkFolder()
            defer { layers.remove(work) }
            let plan = try await plan(order, in: work)
            try lay(plan, order, into: work)
            try giveToWorkers(work)
            for step in plan.steps { try await run(step, order, in: work) }
            let digest = try await layers.keep(work, member: plan.member, madeBy: plan.key)
            logger.info("a layer was made", metadata: ["kind": "\(plan.kind.rawValue)", "layer": "\(digest)"])
            return .success(digest)
        } catch {
            return .failure(error)
        }
    }

    private func takePlace() async {
        await withCheckedContinuation { continuation in
            let isFree = state.withLock { state in
                guard state.places > 0 else {
                    state.waiting.append(continuation)
                    return false
                }
                state.places -= 1
                return true
            }
            if isFree { continuation.resume() }
        }
    }

    private func givePlaceBack() {
        let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard !state.waiting.isEmpty else {
                state.places += 1
                return nil
            }
            return state.waiting.removeFirst()
        }
        next?.resume()
    }
}
