internal import CSandbox
internal import Glibc
internal import Synchronization

extension Launcher {
    /// What this host gives; `nil` before ``prepare(minimum:maximum:)``.
    package var isolation: IsolationReport? { state.withLock { $0.isolation?.report } }

    /// Tries what this host gives, and isolates workers so from here on. Once, before the first start.
    @discardableResult
    package func prepare(minimum: Int = 1, maximum: Int = 3) async -> IsolationReport {
        let isolation = await IsolationProbe(configuration: configuration, logger: logger)
            .run(minimum: minimum, maximum: maximum)
        state.withLock { state in
            state.isolation = isolation
            state.ownsGroups = true
        }
        return isolation.report
    }

    /// Uses what another has found out, for its trials.
    func use(_ isolation: Isolation) { state.withLock { $0.isolation = isolation } }

    static func plan(for specification: WorkerSpecification, _ state: inout State) throws(SandboxError) -> StartPlan {
        guard let sandbox = specification.sandbox else { return StartPlan() }
        guard let isolation = state.isolation else {
            throw SandboxError(.isolationMissing, "the host's isolation has not been tried yet")
        }
        if let obstacle = isolation.report.obstacle { throw SandboxError(.isolationMissing, obstacle) }
        let user = isolation.way == .privileged ? state.users.take() : 0
        return isolation.plan(for: sandbox, user: user)
    }
}

extension Launcher.State {
    /// Keeps who waits for an answer; the number to send along.
    mutating func expect(_ body: @escaping @Sendable (weir_reply, Int32) -> Void) -> UInt64 {
        defer { nextToken += 1 }
        pending[nextToken] = body
        return nextToken
    }
}

/// The user ids of this server's workers: no two that live have the same.
struct UserNumbers: Sendable {
    private var used: Set<UInt32> = []
    private var next: UInt32 = 0

    mutating func take() -> UInt32 {
        while true {
            let user = Isolation.firstUser + next
            next = (next + 1) % Isolation.usersInBlock
            if used.insert(user).inserted { return user }
        }
    }

    mutating func give(back user: UInt32) { used.remove(user) }
}

// MARK: What a running worker is asked for

extension Launcher {
    private func ask(
        _ kind: weir_request_kind, _ worker: Worker, flags: UInt32 = 0, strings: [String] = [], descriptor: Int32 = -1,
        what: String, _ then: @escaping @Sendable (Result<(weir_reply, Int32), SandboxError>) -> Void
    ) {
        let failure = state.withLock { state -> SandboxError? in
            do throws(SandboxError) {
                guard state.process != nil, state.workers[worker.slot] != nil else {
                    throw SandboxError(.sandboxFailed, "\(what): the worker has ended")
                }
                let token = state.expect { reply, descriptor in
                    if let error = LauncherFailure.action(reply, what) {
                        then(.failure(error))
                    } else {
                        then(.success((reply, descriptor)))
                    }
                }
                do throws(SandboxError) {
                    let request = try StartRequest.encode(
                        kind: kind, slot: worker.slot, flags: flags, token: token, strings: strings)
                    send(request, descriptor: descriptor, &state)
                } catch {
                    state.pending[token] = nil
                    throw error
                }
                return nil
            } catch {
                return error
            }
        }
        guard let failure else { return }
        if descriptor >= 0 { close(descriptor) }
        then(.failure(failure))
    }

    func attach(
        _ worker: Worker, _ mount: SandboxMount, verifying descriptor: Int32,
        _ then: @escaping @Sendable (SandboxError?) -> Void
    ) {
        ask(
            weir_request_attach, worker, flags: RootFileSystem.flags(of: mount), strings: [mount.source, mount.target],
            descriptor: descriptor, what: "\(mount.source) cannot be shown at \(mount.target)"
        ) { then($0.error) }
    }

    func detach(_ worker: Worker, _ target: String, _ then: @escaping @Sendable (SandboxError?) -> Void) {
        ask(
            weir_request_detach, worker, strings: ["", target], what: "\(target) cannot be taken out"
        ) { then($0.error) }
    }

    func freeze(_ worker: Worker, _ frozen: Bool, _ then: @escaping @Sendable (SandboxError?) -> Void) {
        ask(
            frozen ? weir_request_freeze : weir_request_thaw, worker,
            what: frozen ? "the worker cannot be frozen" : "the worker cannot be thawed"
        ) { then($0.error) }
    }

    func statistics(
        _ worker: Worker, _ then: @escaping @Sendable (Result<WorkerStatistics, SandboxError>) -> Void
    ) {
        ask(weir_request_stats, worker, what: "the worker cannot be measured") { result in
            then(
                result.map { reply, _ in
                    WorkerStatistics(
                        memory: reply.memory_bytes, peakMemory: reply.peak_bytes, processes: Int(reply.processes),
                        cpuMicroseconds: reply.user_microseconds + reply.system_microseconds)
                })
        }
    }

    func listen(_ worker: Worker, _ port: UInt16, _ then: @escaping @Sendable (Result<Int32, SandboxError>) -> Void) {
        ask(weir_request_listen, worker, flags: UInt32(port), what: "there can be no listener in the sandbox") {
            then($0.map { $0.1 })
        }
    }

    /// An answer that somebody waits for.
    func answered(_ reply: weir_reply, _ descriptor: Int32) {
        guard let body = state.withLock({ $0.pending.removeValue(forKey: reply.token) }) else {
            if descriptor >= 0 { close(descriptor) }
            return
        }
        body(reply, descriptor)
    }

    /// Nobody answers any more.
    func failPending() {
        let waiting = state.withLock { state in
            defer { state.pending = [:] }
            return state.pending.values
        }
        var reply = weir_reply()
        reply.error = ESRCH
        reply.stage = Int32(weir_stage_slot.rawValue)
        for body in waiting { body(reply, -1) }
    }
}

extension Result where Failure == SandboxError {
    fileprivate var error: SandboxError? {
        if case .failure(let error) = self { error } else { nil }
    }
}
