internal import CSandbox
internal import Glibc
internal import Synchronization

/// One worker process as its owner sees it: messages in, messages out, and a way to end it.
package final class Worker: Sendable {
    /// The launcher's number for it, never used again.
    package let slot: UInt64
    package let specification: WorkerSpecification
    /// Where it keeps unsent answers; `nil` for a program that speaks lines.
    package let ledger: Ledger?
    /// The level of isolation that it has (0 none … 3 full).
    package let isolation: Int
    let handler: any WorkerHandler
    let plan: StartPlan
    private let control: any WorkerControl
    private let state = Mutex(State())

    /// The server's ends of a worker's channels; -1 when closed.
    struct Descriptors: Sendable {
        var input: Int32 = -1
        var output: Int32 = -1
        var standardOutput: Int32 = -1
        var standardError: Int32 = -1
    }

    private struct State {
        var pid: Int32 = 0
        /// The program where a zygote has forked it, and whether that was asked for.
        var program: Int32 = 0
        var isProgramAsked = false
        var descriptors = Descriptors()
        /// What could not be written yet, from `written` on.
        var outbox: [UInt8] = []
        var written = 0
        var wantsToWrite = false
        var closesInput = false
        var isOutOfMemory = false
        /// The beginning of a message whose rest is still to come. Only the I/O thread touches it.
        var inbox: [UInt8] = []
    }

    init(
        slot: UInt64, specification: WorkerSpecification, plan: StartPlan, ledger: Ledger?,
        handler: any WorkerHandler, control: any WorkerControl
    ) {
        self.slot = slot
        self.specification = specification
        self.plan = plan
        isolation = plan.level
        self.ledger = ledger
        self.handler = handler
        self.control = control
    }

    /// The process, 0 before it has started.
    package var pid: Int32 { state.withLock { $0.pid } }

    /// Sends bytes that are framed already, now as far as the channel takes them, the rest when it does. Never blocks.
    package func send(_ bytes: [UInt8]) {
        let mustWatch = state.withLock { state -> Bool in
            if state.outbox.isEmpty, state.descriptors.input >= 0 {
                let count = Self.write(bytes[...], to: state.descriptors.input)
                if count == bytes.count { return false }
                state.outbox = Array(bytes[count...])
            } else {
                state.outbox.append(contentsOf: bytes)
            }
            guard !state.wantsToWrite, state.descriptors.input >= 0 else { return false }
            state.wantsToWrite = true
            return true
        }
        if mustWatch { control.watchWriting(self, true) }
    }

    /// Kills all its processes. `ended` follows.
    package func kill() { control.kill(slot) }

    /// Whether processes that it has started run on beside it. Without a process namespace of its own those that have left
    /// both their parent and their session are not seen; the launcher ends them (see `end_orphans` there).
    package var hasProcessesBeside: Bool {
        let (first, forked) = state.withLock { ($0.pid, $0.program) }
        guard first > 0 else { return false }
        guard plan.hasProcessNamespace else {
            // Who lost its parent is the launcher's child, in the session of the worker.
            let adopted = control.processID.map { ProcessIdentity.children(of: $0) } ?? []
            return ProcessIdentity.children(of: first).contains { ProcessIdentity.isRunning($0) }
                || adopted.contains { $0 != first && ProcessIdentity.session(of: $0) == first }
        }
        // Below process 1: the program, if no zygote forked it, then what lost its parent. What ended and was not waited
        // for does no harm.
        var top = ProcessIdentity.children(of: first)[...]
        let program = isForked ? forked : top.popFirst() ?? 0
        if program > 0 { top += ProcessIdentity.children(of: program) }
        return top.contains { ProcessIdentity.isRunning($0) }
    }

    private var isForked: Bool { if case .forked = specification.role { true } else { false } }

    /// The processes below which all others of it are.
    var roots: [Int32] { state.withLock { [$0.pid, $0.program].filter { $0 > 0 } } }

    /// A fork says who it is before it says anything else, to the launcher, which is asked until it knows.
    func askForProgram() {
        guard isForked else { return }
        let mustAsk = state.withLock { state in
            defer { state.isProgramAsked = true }
            return !state.isProgramAsked
        }
        guard mustAsk else { return }
        control.statistics(self) { [weak self] result in
            guard let self else { return }
            let program = (try? result.get().program) ?? 0
            state.withLock { state in
                state.program = program
                state.isProgramAsked = program > 0
            }
        }
    }

    // MARK: The running sandbox. What `then` is told comes on the I/O thread.

    /// Mounts files and folders of the host into it, in their order; the first failure ends that.
    package func attach(_ mounts: [SandboxMount], then: @escaping @Sendable (SandboxError?) -> Void) {
        guard let first = mounts.first else { return then(nil) }
        control.attach(self, first, verifying: -1) { [self] error in
            if let error { then(error) } else { attach(Array(mounts.dropFirst()), then: then) }
        }
    }

    /// Mounts one file or folder, provided that it still is what `descriptor` was opened on. Takes the descriptor over.
    package func attach(
        _ mount: SandboxMount, verifying descriptor: Int32, then: @escaping @Sendable (SandboxError?) -> Void
    ) { control.attach(self, mount, verifying: descriptor, then) }

    /// Gives it a private folder of `bytes` and `files` at most, its own; what it holds counts as the worker's memory.
    /// `then` gets a descriptor of the folder, which stays readable after the mount is taken out or the worker has ended;
    /// who asked owns it. What lies there is the worker's word: expect links, pipes, and changes while you look.
    package func attachScratch(
        at target: String, bytes: Int64, files: Int, then: @escaping @Sendable (Result<Int32, SandboxError>) -> Void
    ) { control.attachScratch(self, target, bytes, files, then) }

    /// Takes a mount out. What has it open keeps it until it closes that.
    package func detach(_ target: String, then: @escaping @Sendable (SandboxError?) -> Void) {
        control.detach(self, target, then)
    }

    /// Stops all its processes where they are. What is sent to it waits.
    package func freeze(then: @escaping @Sendable (SandboxError?) -> Void = { _ in }) {
        control.freeze(self, true, then)
    }
    package func thaw(then: @escaping @Sendable (SandboxError?) -> Void = { _ in }) {
        control.freeze(self, false, then)
    }

    package func statistics(then: @escaping @Sendable (Result<WorkerStatistics, SandboxError>) -> Void) {
        control.statistics(self, then)
    }

    /// A listening socket on 127.0.0.1 of its own network, non-blocking; who asked owns it.
    package func listen(port: UInt16, then: @escaping @Sendable (Result<Int32, SandboxError>) -> Void) {
        control.listen(self, port, then)
    }

    /// Tells the worker that nothing more will come: the end of its input.
    package func closeInput() {
        let descriptor = state.withLock { state -> Int32 in
            state.closesInput = true
            return state.outbox.isEmpty ? state.descriptors.input : -1
        }
        if descriptor >= 0 { control.closeInput(self) }
    }

    /// Reads what lies in the log pipes now. Only from within a handler's call.
    package func drainLogs() {
        _ = readLog(toError: false)
        _ = readLog(toError: true)
    }

    // MARK: The I/O thread's side

    /// It is ended because its tree has grown too large.
    func noteOutOfMemory() { state.withLock { $0.isOutOfMemory = true } }
    var isOutOfMemory: Bool { state.withLock { $0.isOutOfMemory } }

    var descriptors: Descriptors { state.withLock { $0.descriptors } }

    func started(pid: Int32, descriptors: Descriptors) {
        state.withLock {
            $0.pid = pid
            $0.descriptors = descriptors
        }
        flush()
    }

    /// Writes on; asks to be called again while there is a rest.
    func flush() {
        let (watch, changed, close) = state.withLock { state -> (Bool, Bool, Bool) in
            guard state.descriptors.input >= 0 else { return (false, false, false) }
            state.written += Self.write(state.outbox[state.written...], to: state.descriptors.input)
            let hasRest = state.written < state.outbox.count
            if !hasRest {
                state.outbox.removeAll(keepingCapacity: state.outbox.count <= 1 << 20)
                state.written = 0
            }
            let changed = hasRest != state.wantsToWrite
            state.wantsToWrite = hasRest
            return (hasRest, changed, !hasRest && state.closesInput)
        }
        if changed { control.watchWriting(self, watch) }
        if close { control.closeInput(self) }
    }

    /// Reads from the channel until it is empty; `false` at its end.
    func readMessages() -> Bool {
        let descriptor = state.withLock { $0.descriptors.output }
        guard descriptor >= 0 else { return true }
        return control.withBuffer(.messages) { scratch in
            while true {
                let count = Glibc.read(descriptor, scratch.baseAddress, scratch.count)
                if count > 0 {
                    receive(UnsafeRawBufferPointer(rebasing: scratch[..<count]))
                    if count < scratch.count { return true }
                } else if count < 0, errno == EAGAIN {
                    return true
                } else if count < 0, errno == EINTR {
                    continue
                } else {
                    endOfMessages()
                    return false
                }
            }
        }
    }

    /// Reads from a log pipe until it is empty; how many bytes there were, -1 at its end.
    func readLog(toError: Bool) -> Int {
        let all = state.withLock { $0.descriptors }
        let descriptor = toError ? all.standardError : all.standardOutput
        guard descriptor >= 0 else { return 0 }
        return control.withBuffer(.logs) { scratch in
            var total = 0
            // A writer that never stops must not hold the thread: the rest is read in the next round.
            while total < 1 << 20 {
                let count = Glibc.read(descriptor, scratch.baseAddress, scratch.count)
                if count > 0 {
                    total += count
                    handler.worker(
                        self, wrote: UnsafeRawBufferPointer(rebasing: scratch[..<count]), toError: toError)
                    if count < scratch.count { return total }
                } else if count < 0, errno == EINTR {
                    continue
                } else {
                    return count == 0 ? -1 : total
                }
            }
            return total
        }
    }

    /// Takes the descriptors out, to be closed.
    func takeDescriptors() -> Descriptors {
        state.withLock { state in
            defer { state.descriptors = Descriptors() }
            return state.descriptors
        }
    }

    /// Takes one descriptor out, to be closed.
    func take(_ path: WritableKeyPath<Descriptors, Int32>) -> Int32 {
        state.withLock { state in
            defer { state.descriptors[keyPath: path] = -1 }
            return state.descriptors[keyPath: path]
        }
    }

    private static func write(_ bytes: ArraySlice<UInt8>, to descriptor: Int32) -> Int {
        bytes.withUnsafeBytes { buffer in
            var done = 0
            while done < buffer.count, let start = buffer.baseAddress {
                let count = Glibc.write(descriptor, start + done, buffer.count - done)
                if count > 0 {
                    done += count
                } else if count < 0, errno == EINTR {
                    continue
                } else if count < 0, errno == EAGAIN {
                    return done
                } else {
                    // The reader is gone; its end is reported on its own, and nothing more can be said to it.
                    return buffer.count
                }
            }
            return done
        }
    }

    private func receive(_ bytes: UnsafeRawBufferPointer) {
        // After what follows from these bytes: a call may wait for them, and the launcher takes the processor.
        defer { askForProgram() }
        var inbox = state.withLock { state in
            defer { state.inbox = [] }
            return state.inbox
        }
        if inbox.isEmpty {
            let used = deliver(bytes)
            if used < bytes.count { inbox = Array(bytes[used...]) }
        } else {
            let known = inbox.count
            inbox.append(contentsOf: bytes)
            // A long message is looked at again only when it can be whole.
            if isWhole(inbox, searchFrom: known) {
                let used = inbox.withUnsafeBytes { deliver($0) }
                inbox.removeFirst(used)
            }
        }
        let limit = specification.maximumMessage + 8
        if inbox.count > limit {
            inbox = []
            handler.worker(self, misbehaved: "its answer is longer than \(specification.maximumMessage) bytes")
            kill()
        }
        state.withLock { $0.inbox = inbox }
    }

    private func isWhole(_ inbox: [UInt8], searchFrom known: Int) -> Bool {
        switch specification.framing {
        case .lengthPrefixed:
            guard inbox.count >= 4 else { return false }
            return inbox.withUnsafeBytes { inbox.count >= 4 + Int($0.loadUnaligned(as: UInt32.self).littleEndian) }
                || inbox.count > specification.maximumMessage
        case .lines, .actionLoop:
            return inbox[known...].contains(0x0A)
        }
    }

    /// Hands over the whole messages at the beginning; how many bytes they took.
    private func deliver(_ bytes: UnsafeRawBufferPointer) -> Int {
        var position = 0
        switch specification.framing {
        case .lengthPrefixed:
            while bytes.count - position >= 4 {
                let length = Int(bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self).littleEndian)
                if length > specification.maximumMessage {
                    handler.worker(
                        self,
                        misbehaved: "it announced \(length) bytes, more than \(specification.maximumMessage)")
                    kill()
                    return bytes.count
                }
                guard bytes.count - position - 4 >= length else { break }
                let range = (position + 4)..<(position + 4 + length)
                handler.worker(self, sent: UnsafeRawBufferPointer(rebasing: bytes[range]))
                position += 4 + length
            }
        case .lines, .actionLoop:
            while let start = bytes.baseAddress, position < bytes.count,
                let end = memchr(start + position, 0x0A, bytes.count - position)
            {
                let stop = UnsafeRawPointer(end) - start
                handler.worker(self, sent: UnsafeRawBufferPointer(rebasing: bytes[position..<stop]))
                position = stop + 1
            }
        }
        return position
    }

    /// A program may end its last line with its own end.
    func endOfMessages() {
        guard specification.framing != .lengthPrefixed else { return }
        let rest = state.withLock { state in
            defer { state.inbox = [] }
            return state.inbox
        }
        if !rest.isEmpty { rest.withUnsafeBytes { handler.worker(self, sent: $0) } }
    }
}

/// What a worker asks of the launcher that made it.
protocol WorkerControl: AnyObject, Sendable {
    /// The launcher's.
    var processID: Int32? { get }
    func kill(_ slot: UInt64)
    func attach(
        _ worker: Worker, _ mount: SandboxMount, verifying: Int32, _ then: @escaping @Sendable (SandboxError?) -> Void)
    func attachScratch(
        _ worker: Worker, _ target: String, _ bytes: Int64, _ files: Int,
        _ then: @escaping @Sendable (Result<Int32, SandboxError>) -> Void)
    func detach(_ worker: Worker, _ target: String, _ then: @escaping @Sendable (SandboxError?) -> Void)
    func freeze(_ worker: Worker, _ frozen: Bool, _ then: @escaping @Sendable (SandboxError?) -> Void)
    func statistics(_ worker: Worker, _ then: @escaping @Sendable (Result<WorkerStatistics, SandboxError>) -> Void)
    func listen(_ worker: Worker, _ port: UInt16, _ then: @escaping @Sendable (Result<Int32, SandboxError>) -> Void)
    func watchWriting(_ worker: Worker, _ on: Bool)
    func closeInput(_ worker: Worker)
    /// Lends one of the I/O thread's buffers. Only on that thread.
    func withBuffer<Result>(_ use: BufferUse, _ body: (UnsafeMutableRawBufferPointer) -> Result) -> Result
}

/// Two buffers, because logs are drained while a message is looked at.
enum BufferUse { case messages, logs }
