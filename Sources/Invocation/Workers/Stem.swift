internal import CloudEvents
internal import Sandboxes
internal import Synchronization

/// A process that waits, isolated and warmed up, until it is made the worker of a version; or a zygote, which never is.
///
/// Until then what it says is for the pool machine; afterwards it is its session's.
final class Stem: WorkerHandler {
    let id: PoolMachine.WorkerID
    let flavour: String
    private let owner: FunctionInvoker
    private let state: Mutex<State>

    private struct State {
        var worker: Worker?
        var session: (any WorkerHandler)?
        var isKilled = false
        var end: WorkerEnd?
    }

    init(id: PoolMachine.WorkerID, flavour: String, owner: FunctionInvoker) {
        self.id = id
        self.flavour = flavour
        self.owner = owner
        state = Mutex(State())
    }

    var worker: Worker? { state.withLock { $0.worker } }

    /// The process is on its way.
    func attach(_ worker: Worker) {
        let isKilled = state.withLock { state in
            state.worker = worker
            return state.isKilled
        }
        if isKilled { worker.kill() }
    }

    /// Hands the process over: from now on the session hears of it. `nil` when it has ended meanwhile.
    func become(_ session: any WorkerHandler) -> Worker? {
        state.withLock { state in
            guard state.end == nil, let worker = state.worker else { return nil }
            state.session = session
            return worker
        }
    }

    func kill() {
        let worker = state.withLock { state in
            state.isKilled = true
            return state.worker
        }
        worker?.kill()
    }

    // MARK: The process speaks (on the I/O thread)

    func worker(_ worker: Worker, sent message: UnsafeRawBufferPointer) {
        if let session = state.withLock({ $0.session }) {
            session.worker(worker, sent: message)
        } else if let hello = try? JSONValue(parsing: message), hello["stem"] == .bool(true) {
            owner.handle(.ready(id))
        } else {
            // It has not been told anything: whatever this is, it is not what was agreed.
            kill()
        }
    }

    func worker(_ worker: Worker, wrote bytes: UnsafeRawBufferPointer, toError: Bool) {
        if let session = state.withLock({ $0.session }) {
            session.worker(worker, wrote: bytes, toError: toError)
        } else {
            owner.note(stem: flavour, wrote: String(decoding: bytes.prefix(4_096), as: UTF8.self))
        }
    }

    func worker(_ worker: Worker, misbehaved reason: String) {
        if let session = state.withLock({ $0.session }) { session.worker(worker, misbehaved: reason) }
    }

    func worker(_ worker: Worker, ended end: WorkerEnd) {
        let session = state.withLock { state in
            state.end = end
            return state.session
        }
        if let session { session.worker(worker, ended: end) } else { owner.ended(self, end) }
    }
}
