internal import CSandbox
internal import Glibc
internal import Synchronization

extension Launcher {
    /// What this host gives; `nil` before ``prepare(minimum:maximum:)``.
    package var isolation: IsolationReport? { state.withLock { $0.isolation?.report } }

    /// Who should own folders in which workers of different users work one after the other (``SandboxMount/isOwnedByWorker``),
    /// where workers have users of their own: one that no worker is. Else they are the server's own user.
    package var ownerOfWork: UInt32? {
        state.withLock { $0.isolation?.way == .privileged ? Isolation.firstUser : nil }
    }

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

    /// For workers that a program isolates itself, as container engines do: limits by control groups where the host gives
    /// them, nothing else. Once, instead of ``prepare(minimum:maximum:)``; whether there are limits.
    @discardableResult
    package func prepareLimits() async -> Bool {
        let isolation = await IsolationProbe(configuration: configuration, logger: logger).limits()
        state.withLock { state in
            state.isolation = isolation
            state.ownsGroups = true
        }
        return isolation.groups != nil
    }

    /// Uses what another has found out, for its trials.
    func use(_ isolation: Isolation) { state.withLock { $0.isolation = isolation } }

    /// A worker without a file system of its own writes its temporary files to a folder of its own.
    func givePrivateFolder(
        _ specification: inout WorkerSpecification, _ plan: inout StartPlan
    ) throws(SandboxError) {
        let folder = try PrivateFolder.make()
        plan.privateFolder = folder
        plan.entries.append(
            .init(
                kind: weir_entry_allow, size: plan.landlock.files & ~LandlockSets.makeDevices, target: folder))
        for name in ["TMPDIR", "HOME"] {
            for index in specification.environment.indices
            where specification.environment[index] == "\(name)=\(SandboxPath.temporary)" {
                specification.environment[index] = "\(name)=\(folder)"
            }
        }
    }

    /// Looks at the trees that no control group limits, when it is time; ends those that have grown too large.
    func watchMemory() {
        let due = state.withLock { state -> [Worker] in
            let now = MonotonicClock.milliseconds
            guard !state.watched.isEmpty, now >= state.watchAt else { return [] }
            state.watchAt = now + MemoryWatch.interval
            return state.watched.compactMap { state.workers[$0] }
        }
        for worker in due {
            // A fork that has not said anything to us yet is known to the launcher only: it is seen the next time.
            worker.askForProgram()
            guard let limit = worker.plan.watchedMemory,
                MemoryWatch.memory(ofTrees: worker.roots, beyond: limit) > limit
            else { continue }
            worker.noteOutOfMemory()
            worker.kill()
        }
    }

    static func plan(for specification: WorkerSpecification, _ state: inout State) throws(SandboxError) -> StartPlan {
        guard let sandbox = specification.sandbox else { return StartPlan() }
        guard let isolation = state.isolation else {
            throw SandboxError(.isolationMissing, "the host's isolation has not been tried yet")
        }
        if let obstacle = isolation.report.obstacle { throw SandboxError(.isolationMissing, obstacle) }
        if specification.role == .zygote {
            guard isolation.hasZygotes else {
                throw SandboxError(
                    .isolationMissing, "this host's isolation does not allow processes that fork workers")
            }
            return isolation.plan(forZygote: sandbox)
        }
        let user = isolation.way == .privileged && !sandbox.onlyLimits ? state.users.take() : 0
        guard case .forked(let isStem) = specification.role else { return isolation.plan(for: sandbox, user: user) }
        return isolation.plan(forked: sandbox, user: user, isStem: isStem)
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
    /// The first number of the block is that of zygotes.
    private var next = UInt32.random(in: 1..<Isolation.usersInBlock)

    mutating func take() -> UInt32 {
        while true {
            let user = Isolation.firstUser + next
            next = next + 1 < Isolation.usersInBlock ? next + 1 : 1
            if used.insert(user).inserted { return user }
        }
    }

    mutating func give(back user: UInt32) { used.remove(user) }
}

// MARK: What a running worker is asked for

extension Launcher {
    private func ask(
        _ worker: Worker, _ what: String, descriptor: Int32 = -1,
        _ then: @escaping @Sendable (Result<(weir_reply, Int32), SandboxError>) -> Void,
        request: (UInt64) throws(SandboxError) -> [UInt8]
    ) {
        let failure = state.withLock { state -> SandboxError? in
            guard state.process != nil, state.workers[worker.slot] != nil else {
                return SandboxError(.sandboxFailed, "\(what): the worker has ended")
            }
            let token = state.expect { reply, descriptor in
                if let error = LauncherFailure.action(reply, what) {
                    then(.failure(error))
                } else {
                    then(.success((reply, descriptor)))
                }
            }
            do throws(SandboxError) {
                send(try request(token), descriptor: descriptor, &state)
                return nil
            } catch {
                state.pending[token] = nil
                return error
            }
        }
        guard let failure else { return }
        if descriptor >= 0 { close(descriptor) }
        then(.failure(failure))
    }

    /// The worker's user as the launcher numbers it: an ordinary user's launcher is root of its own namespace, which is
    /// that user outside.
    private func launcherUser(of worker: Worker) -> UInt32 {
        // Also where a zygote forked it, in whose namespace it then is.
        worker.plan.has(weir_start_new_user) || worker.plan.userMap == Isolation.ordinaryUsers ? 0 : worker.plan.user
    }

    func attach(
        _ worker: Worker, _ mount: SandboxMount, verifying descriptor: Int32,
        _ then: @escaping @Sendable (SandboxError?) -> Void
    ) {
        let flags = RootFileSystem.flags(of: mount, mapsOwners: worker.plan.mapsOwners)
        ask(
            worker, "\(mount.source) cannot be shown at \(mount.target)", descriptor: descriptor, { then($0.error) }
        ) { token throws(SandboxError) in
            try StartRequest.attach(
                weir_request_attach, slot: worker.slot, flags: flags, user: launcherUser(of: worker), token: token,
                strings: [mount.source, mount.target])
        }
    }

    func attachScratch(
        _ worker: Worker, _ target: String, _ bytes: Int64, _ files: Int,
        _ then: @escaping @Sendable (Result<Int32, SandboxError>) -> Void
    ) {
        ask(worker, "there can be no folder at \(target)", { then($0.map { $0.1 }) }) { token throws(SandboxError) in
            try StartRequest.attach(
                weir_request_attach, slot: worker.slot, user: launcherUser(of: worker),
                bytes: UInt64(max(bytes, 4_096)),
                files: UInt64(max(files, 2)), token: token, strings: ["", target])
        }
    }

    func detach(_ worker: Worker, _ target: String, _ then: @escaping @Sendable (SandboxError?) -> Void) {
        ask(worker, "\(target) cannot be taken out", { then($0.error) }) { token throws(SandboxError) in
            try StartRequest.attach(weir_request_detach, slot: worker.slot, token: token, strings: ["", target])
        }
    }

    func freeze(_ worker: Worker, _ frozen: Bool, _ then: @escaping @Sendable (SandboxError?) -> Void) {
        ask(worker, frozen ? "the worker cannot be frozen" : "the worker cannot be thawed", { then($0.error) }) {
            token in
            StartRequest.encode(
                kind: frozen ? weir_request_freeze : weir_request_thaw, slot: worker.slot, token: token)
        }
    }

    func statistics(
        _ worker: Worker, _ then: @escaping @Sendable (Result<WorkerStatistics, SandboxError>) -> Void
    ) {
        ask(
            worker, "the worker cannot be measured",
            { result in
                then(
                    result.map { reply, _ in
                        WorkerStatistics(
                            memory: reply.memory_bytes, peakMemory: reply.peak_bytes, processes: Int(reply.processes),
                            cpuMicroseconds: reply.user_microseconds + reply.system_microseconds, program: reply.pid)
                    })
            }
        ) { token in StartRequest.encode(kind: weir_request_stats, slot: worker.slot, token: token) }
    }

    func listen(_ worker: Worker, _ port: UInt16, _ then: @escaping @Sendable (Result<Int32, SandboxError>) -> Void) {
        ask(worker, "there can be no listener in the sandbox", { then($0.map { $0.1 }) }) { token in
            StartRequest.encode(kind: weir_request_listen, slot: worker.slot, flags: UInt32(port), token: token)
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
