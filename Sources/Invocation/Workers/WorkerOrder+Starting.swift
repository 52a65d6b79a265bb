internal import Sandboxes

/// How a worker's process comes to be, for every kind of session.
extension WorkerOrder {
    /// Takes the stem, lets the zygote fork or starts a new process, as the order says.
    ///
    /// - Throws: ``SandboxError/Code/stemLost`` when who was to bring it is gone.
    func start(
        _ specification: WorkerSpecification, _ launcher: Launcher, handler: any WorkerHandler
    ) throws(SandboxError) -> Worker {
        switch reason.way {
        case .stem:
            guard let worker = stem?.become(handler) else {
                throw SandboxError(.stemLost, "the stem has ended")
            }
            return worker
        case .zygote:
            guard let zygote = stem?.worker else {
                throw SandboxError(.stemLost, "the process that forks workers has ended")
            }
            return try launcher.fork(from: zygote, specification, handler: handler)
        case .exec, .container: return try launcher.start(specification, handler: handler)
        }
    }

    /// Shows what was a stem the version's folders, and then goes on; a worker that cannot be shown them is lost on the way.
    func show(
        _ mounts: [SandboxMount], to worker: Worker, _ owner: FunctionInvoker, then goOn: @escaping @Sendable () -> Void
    ) {
        guard !mounts.isEmpty else { return goOn() }
        let (id, pool) = (id, pool)
        worker.attach(mounts) { error in
            guard let error else { return goOn() }
            owner.note(lost: pool, error)
            owner.handle(.lostOnTheWay(id))
            worker.kill()
        }
    }
}
