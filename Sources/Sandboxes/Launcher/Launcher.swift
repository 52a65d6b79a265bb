internal import CSandbox
internal import Glibc
package import Logging
internal import Synchronization

/// The server's end of the launcher: starts workers and carries all their traffic on one I/O thread.
///
/// The launcher process is started with the first worker and again after it was lost. When this object is stopped, or
/// the server dies, the launcher ends every worker.
package final class Launcher: Sendable {
    /// How the launcher is found and how patient stopping is.
    package struct Configuration: Sendable {
        /// The launcher program.
        package var path: String

        package init(path: String) { self.path = path }
    }

    let configuration: Configuration
    let logger: Logger
    let poller: Int32
    let wake: Int32
    let state = Mutex(State())
    /// When the owner wants to be called, monotonic milliseconds; `Int64.max` when not.
    let deadline = Atomic<Int64>(.max)
    /// The I/O thread, once it runs.
    let thread = Atomic<UInt>(0)
    let buffers: Buffers

    struct State {
        var process: Process?
        var workers: [UInt64: Worker] = [:]
        var nextSlot: UInt64 = 1
        var nextGeneration: UInt64 = 1
        /// Requests that the socket did not take yet, with the descriptor to pass (-1 for none), which is ours to close.
        var outbox: [(bytes: [UInt8], descriptor: Int32)] = []
        /// Log pipes that are left alone for a moment: (token, descriptor).
        var resting: [(token: UInt64, descriptor: Int32)] = []
        var restUntil: Int64 = 0
        /// When the trees that no control group limits are looked at next.
        var watchAt: Int64 = 0
        /// Their slots.
        var watched: Set<UInt64> = []
        /// Whose logs are to be read at once, and who waits for it.
        var wantedLogs: [(worker: Worker, body: @Sendable () -> Void)] = []
        var onDeadline: (@Sendable () -> Void)?
        /// What this host gives; `nil` before it was tried.
        var isolation: Isolation?
        /// Whether the control groups are ours to remove.
        var ownsGroups = false
        /// User ids of living workers.
        var users = UserNumbers()
        /// Who waits for which answer of the launcher, with the descriptor that came along (theirs to close).
        var pending: [UInt64: @Sendable (weir_reply, Int32) -> Void] = [:]
        var nextToken: UInt64 = 1
        var isStopping = false
        var hasStopped = false
        var waitingForStop: [CheckedContinuation<Void, Never>] = []
    }

    /// The running launcher.
    struct Process {
        var pid: Int32
        var control: Int32
        var generation: UInt64
        /// Its workers' slots, so that they can be ended when it dies.
        var slots: Set<UInt64> = []
        var isWatchedForWriting = false
    }

    /// The I/O thread's two read buffers; nobody else touches them, which is what makes this safe.
    struct Buffers: @unchecked Sendable {
        let messages = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 16)
        let logs = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)
    }

    /// Makes the I/O thread; no process yet.
    package init(_ configuration: Configuration, logger: Logger) throws(SandboxError) {
        self.configuration = configuration
        self.logger = logger
        poller = weir_poller_create()
        wake = weir_wake_create()
        buffers = Buffers()
        guard poller >= 0, wake >= 0, weir_poller_add(poller, wake, Readiness.readable, Token.wake) == 0 else {
            throw SandboxError(.resources, "the system refused an epoll or eventfd descriptor")
        }
        // Writing to a worker that has just died must be an error of that write, not the end of the server.
        signal(SIGPIPE, SIG_IGN)
        try startThread()
    }

    /// How many workers there are, those that are starting or dying included.
    package var workerCount: Int { state.withLock { $0.workers.count } }

    /// The launcher's process id, `nil` while none runs.
    package var processID: Int32? { state.withLock { $0.process?.pid } }

    /// Starts a worker. Its handler hears of everything further, a failed start included. Never blocks for long: the
    /// first call starts the launcher process (about a millisecond).
    package func start(_ specification: WorkerSpecification, handler: any WorkerHandler) throws(SandboxError) -> Worker
    {
        let plan = try state.withLock { state throws(SandboxError) in try Self.plan(for: specification, &state) }
        do {
            return try start(specification, plan, handler: handler)
        } catch {
            state.withLock { $0.users.give(back: plan.user) }
            throw error
        }
    }

    /// Lets a zygote fork a worker into a sandbox of its own. Otherwise as ``start(_:handler:)``.
    ///
    /// - Parameter isStem: it says so when it waits for its code.
    /// - Throws: ``SandboxError/Code/stemLost`` when the zygote has ended; it may also come later, as the worker's end.
    package func fork(
        from zygote: Worker, _ specification: WorkerSpecification, isStem: Bool = false, handler: any WorkerHandler
    ) throws(SandboxError) -> Worker {
        var specification = specification
        specification.role = .forked(isStem: isStem)
        guard state.withLock({ $0.workers[zygote.slot] }) != nil else {
            throw SandboxError(.stemLost, "the process that forks workers has ended")
        }
        let plan = try state.withLock { state throws(SandboxError) in try Self.plan(for: specification, &state) }
        do {
            return try start(specification, plan, zygote: zygote.slot, handler: handler)
        } catch {
            state.withLock { $0.users.give(back: plan.user) }
            throw error
        }
    }

    func start(
        _ specification: WorkerSpecification, _ plan: StartPlan, zygote: UInt64? = nil, handler: any WorkerHandler
    ) throws(SandboxError) -> Worker {
        var (specification, plan) = (specification, plan)
        var ledger: Ledger?
        var descriptor: Int32 = -1
        if specification.framing == .lengthPrefixed {
            descriptor = weir_ledger_create(Ledger.size)
            guard descriptor >= 0, let address = weir_ledger_map(descriptor, Ledger.size) else {
                if descriptor >= 0 { close(descriptor) }
                throw SandboxError(.resources, "the system refused the shared memory of a worker")
            }
            ledger = Ledger(mapping: address)
        }
        let slot = state.withLock { state in
            defer { state.nextSlot += 1 }
            return state.nextSlot
        }
        do {
            if plan.level == 1 { try givePrivateFolder(&specification, &plan) }
            let request = try StartRequest.encode(slot: slot, specification, plan, zygote: zygote)
            let worker = Worker(
                slot: slot, specification: specification, plan: plan, ledger: ledger, handler: handler, control: self)
            let outcome: Result<Void, SandboxError> = state.withLock { state in
                guard !state.isStopping else { return .failure(SandboxError(.stopped, "the server is stopping")) }
                return Result { () throws(SandboxError) in try spawnIfNeeded(&state) }.map {
                    state.workers[slot] = worker
                    if plan.watchedMemory != nil { state.watched.insert(slot) }
                    state.process?.slots.insert(slot)
                    send(request, descriptor: descriptor, &state)
                }
            }
            try outcome.get()
            if plan.watchedMemory != nil { weir_wake_signal(wake) }
            return worker
        } catch {
            if let folder = plan.privateFolder { PrivateFolder.remove(folder) }
            if descriptor >= 0 { close(descriptor) }
            throw error
        }
    }

    /// Calls `body` on the I/O thread each time a deadline set by ``wake(at:)`` has come.
    package func onDeadline(_ body: @escaping @Sendable () -> Void) { state.withLock { $0.onDeadline = body } }

    /// Asks for a call of the deadline's body at a time (``MonotonicClock``), or earlier.
    package func wake(at milliseconds: Int64) {
        var known = deadline.load(ordering: .relaxed)
        while milliseconds < known {
            let (exchanged, original) = deadline.compareExchange(
                expected: known, desired: milliseconds, ordering: .relaxed)
            if exchanged {
                // The I/O thread itself looks at the time before it waits again.
                if thread.load(ordering: .relaxed) != UInt(pthread_self()) { weir_wake_signal(wake) }
                return
            }
            known = original
        }
    }

    /// Ends all workers and the launcher, and returns when they are gone.
    package func stop() async {
        await withCheckedContinuation { continuation in
            let isDone = state.withLock { state -> Bool in
                if state.hasStopped { return true }
                state.isStopping = true
                state.waitingForStop.append(continuation)
                return false
            }
            if isDone { continuation.resume() } else { weir_wake_signal(wake) }
        }
    }

    // MARK: Requests

    private func spawnIfNeeded(_ state: inout State) throws(SandboxError) {
        guard state.process == nil else { return }
        var pid: pid_t = 0
        var control: Int32 = -1
        let result = weir_launcher_spawn(configuration.path, &pid, &control)
        guard result == 0 else {
            throw SandboxError(
                .launcherMissing,
                "the launcher \(configuration.path) cannot be started: \(String(cString: strerror(-result)))")
        }
        let generation = state.nextGeneration
        state.nextGeneration += 1
        state.process = Process(pid: pid, control: control, generation: generation)
        _ = weir_poller_add(poller, control, Readiness.readable, Token.launcher(generation))
        let logger = logger
        let token = state.expect { reply, _ in
            guard let error = LauncherFailure.action(reply, "the launcher cannot be set up") else { return }
            logger.error("workers cannot be isolated", metadata: ["reason": "\(error.message)"])
        }
        send(try StartRequest.setup(state.isolation, token: token), &state)
    }

    /// Sends a request, or keeps it until the socket takes it. Takes the descriptor over.
    func send(_ request: [UInt8], descriptor: Int32 = -1, _ state: inout State) {
        state.outbox.append((request, descriptor))
        flushRequests(&state)
    }

    func flushRequests(_ state: inout State) {
        guard let process = state.process else { return }
        while let (bytes, descriptor) = state.outbox.first {
            let result = bytes.withUnsafeBytes {
                weir_launcher_send(process.control, $0.baseAddress, $0.count, descriptor)
            }
            if result == -EAGAIN { break }
            // Any other failure means that the launcher is gone; its end of the socket says so soon.
            if descriptor >= 0 { close(descriptor) }
            state.outbox.removeFirst()
        }
        let mustWatch = !state.outbox.isEmpty
        if mustWatch != process.isWatchedForWriting {
            state.process?.isWatchedForWriting = mustWatch
            let events = Readiness.readable | (mustWatch ? Readiness.writable : 0)
            _ = weir_poller_change(poller, process.control, events, Token.launcher(process.generation))
        }
    }
}

extension Launcher: WorkerControl {
    func kill(_ slot: UInt64) {
        state.withLock { state in
            guard state.workers[slot] != nil else { return }
            send(StartRequest.kill(slot: slot), &state)
        }
    }

    func watchWriting(_ worker: Worker, _ on: Bool) {
        let descriptors = worker.descriptors
        guard descriptors.input >= 0 else { return }
        if descriptors.input == descriptors.output {
            let events = Readiness.readable | (on ? Readiness.writable : 0)
            _ = weir_poller_change(poller, descriptors.input, events, Token.messages(worker.slot))
        } else if on {
            _ = weir_poller_add(
                poller, descriptors.input, Readiness.writable, Token.input(worker.slot))
        } else {
            _ = weir_poller_remove(poller, descriptors.input)
        }
    }

    func closeInput(_ worker: Worker) {
        let descriptors = worker.descriptors
        guard descriptors.input >= 0 else { return }
        if descriptors.input == descriptors.output {
            shutdown(descriptors.input, Int32(SHUT_WR))
        } else {
            close(worker.take(\.input))
        }
    }

    func withBuffer<Result>(_ use: BufferUse, _ body: (UnsafeMutableRawBufferPointer) -> Result) -> Result {
        switch use {
        case .messages: body(buffers.messages)
        case .logs: body(buffers.logs)
        }
    }
}

/// What an epoll entry is about: three low bits the kind, the rest the slot or generation.
enum Token {
    static var wake: UInt64 { .max }
    static func launcher(_ generation: UInt64) -> UInt64 { generation << 3 | 4 }
    static func messages(_ slot: UInt64) -> UInt64 { slot << 3 }
    static func log(_ slot: UInt64, toError: Bool) -> UInt64 { slot << 3 | (toError ? 2 : 1) }
    static func input(_ slot: UInt64) -> UInt64 { slot << 3 | 3 }
}

/// What epoll may say, as numbers of one type.
enum Readiness {
    static var readable: UInt32 { UInt32(weir_poll_readable) }
    static var writable: UInt32 { UInt32(weir_poll_writable) }
    static var closed: UInt32 { UInt32(weir_poll_closed) }
}
