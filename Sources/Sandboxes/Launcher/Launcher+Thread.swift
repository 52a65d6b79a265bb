internal import CSandbox
internal import Glibc
internal import Logging
internal import Synchronization

/// A clock that only goes forward, for deadlines.
package enum MonotonicClock {
    /// Milliseconds since some fixed moment.
    package static var milliseconds: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000
    }
}

extension Launcher {
    /// How long a log pipe is left alone after little was read from it, milliseconds: a function that prints a line an
    /// event must not wake the server for each.
    private static var logRest: Int64 { 20 }

    func startThread() throws(SandboxError) {
        var thread = pthread_t()
        let context = Unmanaged.passRetained(self)
        let result = pthread_create(
            &thread, nil,
            { pointer in
                guard let pointer else { return nil }
                let launcher = Unmanaged<Launcher>.fromOpaque(pointer).takeRetainedValue()
                launcher.loop()
                return nil
            }, context.toOpaque())
        guard result == 0 else {
            context.release()
            throw SandboxError(.resources, "the system refused the I/O thread: \(String(cString: strerror(result)))")
        }
        pthread_detach(thread)
    }

    private func loop() {
        thread.store(UInt(pthread_self()), ordering: .relaxed)
        var ready = [weir_ready](repeating: weir_ready(), count: 64)
        var isStopping = false
        while true {
            let count = Int(weir_poller_wait(poller, &ready, 64, waitTime()))
            for index in 0..<max(count, 0) { handle(token: ready[index].token, events: ready[index].events) }
            wakeLogs()
            watchMemory()
            readWantedLogs()
            if MonotonicClock.milliseconds >= deadline.load(ordering: .relaxed) {
                deadline.store(.max, ordering: .relaxed)
                let body = state.withLock { $0.onDeadline }
                body?()
            }
            if !isStopping, state.withLock({ $0.isStopping }) {
                isStopping = true
                endLauncher()
            }
            if isStopping, finishStopping() { return }
        }
    }

    /// Milliseconds until something is due, -1 for ever.
    private func waitTime() -> Int32 {
        var due = deadline.load(ordering: .relaxed)
        let now = MonotonicClock.milliseconds
        let (rests, watch) = state.withLock { (!$0.resting.isEmpty, $0.watched.isEmpty ? .max : $0.watchAt) }
        if rests { due = min(due, now + Self.logRest) }
        due = min(due, watch)
        return due == .max ? -1 : Int32(clamping: max(0, due - now))
    }

    private func handle(token: UInt64, events: UInt32) {
        if token == Token.wake {
            weir_wake_clear(wake)
            return
        }
        if token & 7 == 4 {
            readReplies(generation: token >> 3)
            return
        }
        guard let worker = state.withLock({ $0.workers[token >> 3] }) else { return }
        switch token & 7 {
        case 0:
            if events & Readiness.writable != 0 { worker.flush() }
            if events & (Readiness.readable | Readiness.closed) != 0, !worker.readMessages() {
                closeMessages(worker)
            }
        case 3:
            worker.flush()
        default:
            readLog(worker, token: token)
        }
    }

    /// The worker closed its channel: either it is ending (its exit record comes), or it cannot be spoken to any more.
    private func closeMessages(_ worker: Worker) {
        let descriptors = worker.descriptors
        if descriptors.input == descriptors.output {
            _ = weir_poller_remove(poller, descriptors.output)
            worker.kill()
        } else if descriptors.output >= 0 {
            _ = weir_poller_remove(poller, descriptors.output)
            close(worker.take(\.output))
        }
    }

    private func readLog(_ worker: Worker, token: UInt64) {
        let toError = token & 7 == 2
        let count = worker.readLog(toError: toError)
        let descriptors = worker.descriptors
        let descriptor = toError ? descriptors.standardError : descriptors.standardOutput
        guard descriptor >= 0 else { return }
        if count < 0 {
            _ = weir_poller_remove(poller, descriptor)
            close(worker.take(toError ? \.standardError : \.standardOutput))
        } else if count < 32_768 {
            _ = weir_poller_change(poller, descriptor, 0, token)
            state.withLock { $0.resting.append((token, descriptor)) }
        }
    }

    /// Watches the rested log pipes again. Called in every round; a busy round makes the rest shorter, never longer.
    private func wakeLogs() {
        let due = state.withLock { state -> [(worker: Worker, token: UInt64, descriptor: Int32)] in
            let now = MonotonicClock.milliseconds
            guard !state.resting.isEmpty, now >= state.restUntil else { return [] }
            defer {
                state.resting = []
                state.restUntil = now + Self.logRest
            }
            return state.resting.compactMap { token, descriptor in
                state.workers[token >> 3].map { ($0, token, descriptor) }
            }
        }
        for (worker, token, descriptor) in due {
            // One that was closed meanwhile may be the number of another pipe by now.
            let all = worker.descriptors
            guard descriptor == (token & 7 == 2 ? all.standardError : all.standardOutput) else { continue }
            _ = weir_poller_change(poller, descriptor, Readiness.readable, token)
        }
    }

    /// Reads now what lies in a worker's log pipes, and calls back when that was handed over: for who knows that the
    /// worker has just written and cannot wait for the rest of a pipe.
    func readLogs(of worker: Worker, then body: @escaping @Sendable () -> Void) {
        state.withLock { $0.wantedLogs.append((worker, body)) }
        weir_wake_signal(wake)
    }

    private func readWantedLogs() {
        let wanted = state.withLock { state in
            guard !state.wantedLogs.isEmpty else { return [(worker: Worker, body: @Sendable () -> Void)]() }
            defer { state.wantedLogs = [] }
            return state.wantedLogs
        }
        for (worker, body) in wanted {
            worker.drainLogs()
            body()
        }
    }

    // MARK: The launcher's word

    private func readReplies(generation: UInt64) {
        while true {
            guard let process = state.withLock({ $0.process }), process.generation == generation else { return }
            state.withLock { flushRequests(&$0) }
            var reply = weir_reply()
            var descriptors: [Int32] = [-1, -1, -1]
            let result = weir_launcher_receive(process.control, &reply, &descriptors)
            if result == -EAGAIN || result == -EINTR { return }
            guard result == 1 else {
                launcherLost(process)
                return
            }
            switch reply.kind {
            case weir_reply_started.rawValue: started(reply, descriptors)
            case weir_reply_exited.rawValue: exited(reply)
            case weir_reply_done.rawValue, weir_reply_stats.rawValue: answered(reply, descriptors[0])
            default: for one in descriptors where one >= 0 { close(one) }
            }
        }
    }

    private func started(_ reply: weir_reply, _ received: [Int32]) {
        guard let worker = state.withLock({ $0.workers[reply.slot] }), reply.error == 0 else {
            for one in received where one >= 0 { close(one) }
            let failed = state.withLock { state in
                state.process?.slots.remove(reply.slot)
                return state.workers.removeValue(forKey: reply.slot)
            }
            if let failed {
                state.withLock { state in
                    state.users.give(back: failed.plan.user)
                    state.watched.remove(failed.slot)
                }
                if let folder = failed.plan.privateFolder { PrivateFolder.remove(folder) }
                let reason = LauncherFailure.start(reply, failed.specification, failed.plan)
                failed.handler.worker(failed, ended: .notStarted(reason))
            }
            return
        }
        let isFramed = !worker.specification.framing.isOnStandardStreams
        let descriptors = Worker.Descriptors(
            input: received[0], output: isFramed ? received[0] : received[1],
            // A program that speaks lines has its messages on stdout; only stderr is a log.
            standardOutput: isFramed ? received[1] : -1, standardError: received[2])
        let readable = Readiness.readable
        _ = weir_poller_add(poller, descriptors.output, readable, Token.messages(worker.slot))
        if isFramed {
            _ = weir_poller_add(
                poller, descriptors.standardOutput, readable, Token.log(worker.slot, toError: false))
        }
        _ = weir_poller_add(poller, descriptors.standardError, readable, Token.log(worker.slot, toError: true))
        worker.started(pid: reply.pid, descriptors: descriptors)
    }

    private func exited(_ reply: weir_reply) {
        let known = state.withLock { state in
            state.process?.slots.remove(reply.slot)
            return state.workers[reply.slot]
        }
        guard let worker = known else { return }
        // Its process was there, and could not become the program.
        guard reply.error == 0 else {
            end(worker, .notStarted(LauncherFailure.start(reply, worker.specification, worker.plan)))
            return
        }
        let record = ExitRecord(
            status: reply.exit_status < 0 ? nil : reply.exit_status, signal: reply.signal,
            cpuMicroseconds: reply.user_microseconds + reply.system_microseconds,
            peakMemory: reply.peak_bytes,
            outOfMemory: (reply.out_of_memory > 0 && reply.exit_status != 0) || worker.isOutOfMemory)
        end(worker, .exited(record))
    }

    /// Takes what is left in the channels, closes them, and says that the worker is gone.
    private func end(_ worker: Worker, _ end: WorkerEnd) {
        if worker.readMessages() { worker.endOfMessages() }
        worker.drainLogs()
        let descriptors = worker.takeDescriptors()
        let all = [descriptors.input, descriptors.output, descriptors.standardOutput, descriptors.standardError]
        for one in Set(all) where one >= 0 { close(one) }
        state.withLock { state in
            state.workers[worker.slot] = nil
            state.watched.remove(worker.slot)
            state.users.give(back: worker.plan.user)
        }
        if let folder = worker.plan.privateFolder { PrivateFolder.remove(folder) }
        worker.handler.worker(worker, ended: end)
    }

    /// The launcher's end of the socket is closed: it is dead, and its workers with it (they have it as their parent's
    /// death signal). What they had started themselves is in their process groups and is ended from here.
    private func launcherLost(_ process: Process) {
        _ = weir_poller_remove(poller, process.control)
        close(process.control)
        let (workers, next) = state.withLock { state -> ([Worker], UInt64) in
            state.process = nil
            for (_, descriptor) in state.outbox where descriptor >= 0 { close(descriptor) }
            state.outbox = []
            return (process.slots.sorted().compactMap { state.workers[$0] }, state.nextSlot)
        }
        for worker in workers where worker.pid > 0 { _ = Glibc.kill(-worker.pid, SIGKILL) }
        _ = Glibc.kill(process.pid, SIGKILL)
        var status: Int32 = 0
        while waitpid(process.pid, &status, 0) < 0, errno == EINTR {}
        let shared = workers.filter { $0.plan.privateFolder != nil && $0.pid > 0 }
        if !shared.isEmpty { Strays.end(with: shared.map(\.pid)) }
        if !state.withLock({ $0.isStopping }) {
            logger.error(
                "the launcher ended; it is started again for the next call",
                metadata: [
                    "pid": "\(process.pid)", "workers": "\(workers.count)",
                ])
        }
        failPending()
        for worker in workers { end(worker, .launcherLost) }
        state.withLock { $0.ownsGroups ? $0.isolation?.groups : nil }?.clear(before: next)
    }

    // MARK: Stopping

    /// Closing the socket is the whole message: the launcher then ends everything below it.
    private func endLauncher() {
        let process = state.withLock { $0.process }
        guard let process else { return }
        shutdown(process.control, Int32(SHUT_WR))
    }

    /// Whether the launcher is gone; then everything is given back.
    private func finishStopping() -> Bool {
        let isDone = state.withLock { $0.process == nil }
        guard isDone else { return false }
        close(poller)
        close(wake)
        state.withLock { $0.ownsGroups ? $0.isolation?.groups : nil }?.remove()
        let waiting = state.withLock { state in
            state.hasStopped = true
            defer { state.waitingForStop = [] }
            return state.waitingForStop
        }
        for one in waiting { one.resume() }
        return true
    }
}
