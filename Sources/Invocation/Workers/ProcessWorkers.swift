internal import CloudEvents
internal import Functions
internal import Sandboxes
internal import Synchronization

/// Workers that are processes which the launcher starts.
final class ProcessWorkers: WorkerKind {
    private let configuration: InvocationConfiguration
    private let launcher: Launcher
    /// How the stems of a flavour are started. A few: runtimes × memory limits.
    private let flavours = Mutex<[String: WorkerSpecification]>([:])

    init(configuration: InvocationConfiguration, launcher: Launcher) {
        self.configuration = configuration
        self.launcher = launcher
    }

    func runs(_ version: FunctionVersion) -> Bool { version.runtime != .container && version.runtime != .sequence }

    func make(_ order: WorkerOrder, owner: FunctionInvoker) -> any FunctionWorker {
        order.version.limits.scaling.concurrentEvents > 1
            ? OverlappingSession(order, launcher: launcher, owner: owner)
            : WorkerSession(order, launcher: launcher, owner: owner)
    }

    func stop() async { await launcher.stop() }

    // MARK: Stems

    /// Two versions share stems when a process that waits for code is the same for both: the runtime, the limits that are
    /// set before its start, the network.
    func flavour(of version: FunctionVersion) -> String? {
        let isolation = launcher.isolation
        // What cannot be given folders while it runs cannot be given code, unless it sees all folders anyway.
        guard configuration.interpreter(of: version.runtime) != nil,
            isolation.map({ $0.canAttach || $0.level == 0 }) ?? true
        else { return nil }
        // A process has the network from its start.
        guard !Equipping.isNeeded(version) else { return nil }
        let stem = WorkerSpecification(version, configuration, isolation).stem
        return flavours.withLock { flavours in
            let name = "\(version.runtime.rawValue)-\(max(version.limits.memory, 16 << 20) >> 20)MiB"
            var number = 1
            while true {
                let candidate = number == 1 ? name : "\(name)-\(number)"
                guard let known = flavours[candidate] else {
                    flavours[candidate] = stem
                    return candidate
                }
                if known == stem { return candidate }
                number += 1
            }
        }
    }

    func flavour(of runtime: FunctionVersion.Runtime) -> String? {
        flavour(
            of: FunctionVersion(namespace: "", name: "", digest: "", runtime: runtime, entry: "", codeDirectory: "/"))
    }

    func makes(_ flavour: String) -> Bool { flavours.withLock { $0[flavour] != nil } }

    func start(_ stem: Stem, zygote: Stem?) throws(SandboxError) {
        guard let specification = flavours.withLock({ $0[stem.flavour] }) else {
            throw SandboxError(.startFailed, "there are no stems of the kind \(stem.flavour)")
        }
        if let zygote = zygote?.worker {
            stem.attach(try launcher.fork(from: zygote, specification, isStem: true, handler: stem))
        } else {
            stem.attach(try launcher.start(specification, handler: stem))
        }
    }

    /// Only an interpreter that can fork, and only where sandboxes can be entered.
    func forks(_ flavour: String) -> Bool {
        launcher.isolation?.canFork == true
            && flavours.withLock { $0[flavour]?.arguments.first } == configuration.python
    }

    func startZygote(_ stem: Stem) throws(SandboxError) {
        guard forks(stem.flavour), var specification = flavours.withLock({ $0[stem.flavour] }) else {
            throw SandboxError(.startFailed, "nothing forks stems of the kind \(stem.flavour)")
        }
        specification.arguments.removeLast()
        specification.arguments.append("zygote")
        specification.role = .zygote
        // It forks what may have more memory than its own flavour, and nobody gets a limit back that was lowered before.
        specification.limits.removeAll { $0.resource == .memory }
        stem.attach(try launcher.start(specification, handler: stem))
    }
}

extension WorkerSpecification {
    /// The same process without what is its version's own: it waits for that.
    fileprivate var stem: WorkerSpecification {
        var stem = self
        stem.arguments.append("stem")
        stem.environment = Self.baseEnvironment
        stem.directory = "/"
        stem.sandbox?.mounts.removeAll { $0.target != SandboxPath.runtimes }
        return stem
    }

    /// What a stem is still to be given of what this process would have been started with.
    func mountsForStem(_ isolation: IsolationReport?) -> [SandboxMount] {
        guard isolation?.canAttach == true else { return [] }
        return sandbox?.mounts.filter { $0.target != SandboxPath.runtimes } ?? []
    }
}
