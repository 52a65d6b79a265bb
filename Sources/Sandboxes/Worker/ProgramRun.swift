internal import Glibc
internal import Synchronization

/// What became of a program that was run to its end.
package struct ProgramOutcome: Sendable {
    package var end: WorkerEnd
    /// It was killed because it took too long.
    package var isTimeout: Bool
    /// What it wrote on standard output and error, the last lines.
    package var lines: [String]

    /// Whether it ended well.
    package var isSuccess: Bool {
        if case .exited(let record) = end { return record.status == 0 && !isTimeout }
        return false
    }
}

extension Launcher {
    /// Runs a program to its end: an installer, a compiler, a question to an interpreter. Its input is empty.
    ///
    /// - Parameters:
    ///   - specification: with ``WorkerSpecification/Framing/lines``.
    ///   - milliseconds: then it is killed.
    ///   - keeping: how many of its last lines are kept.
    package func run(
        _ specification: WorkerSpecification, within milliseconds: Int64, keeping lines: Int = 40
    ) async -> ProgramOutcome {
        let run = ProgramRun(keeping: lines)
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                run.begin(continuation)
                do throws(SandboxError) {
                    run.started(try start(specification, handler: run), within: milliseconds)
                } catch {
                    run.finish(.notStarted(error))
                }
            }
        } onCancel: {
            run.kill(isTimeout: false)
        }
    }
}

/// The handler of a program that is run to its end.
private final class ProgramRun: WorkerHandler {
    private let state: Mutex<State>

    private struct State {
        var worker: Worker?
        var isKilled = false
        var isTimeout = false
        var tail: LineTail
        var timer: Task<Void, Never>?
        var continuation: CheckedContinuation<ProgramOutcome, Never>?
    }

    init(keeping lines: Int) {
        state = Mutex(State(tail: LineTail(capacity: lines)))
    }

    func begin(_ continuation: CheckedContinuation<ProgramOutcome, Never>) {
        state.withLock { $0.continuation = continuation }
    }

    func started(_ worker: Worker, within milliseconds: Int64) {
        let timer = Task {
            guard (try? await Task.sleep(for: .milliseconds(milliseconds))) != nil else { return }
            kill(isTimeout: true)
        }
        let (isKilled, hasEnded) = state.withLock { state in
            state.worker = worker
            state.timer = timer
            return (state.isKilled, state.continuation == nil)
        }
        if hasEnded { timer.cancel() }
        if isKilled { worker.kill() }
        worker.closeInput()
    }

    func kill(isTimeout: Bool) {
        let worker = state.withLock { state in
            state.isKilled = true
            state.isTimeout = state.isTimeout || isTimeout
            return state.worker
        }
        worker?.kill()
    }

    func finish(_ end: WorkerEnd) {
        let (continuation, timer, outcome) = state.withLock { state in
            defer { state.continuation = nil }
            state.tail.end()
            return (
                state.continuation, state.timer,
                ProgramOutcome(end: end, isTimeout: state.isTimeout, lines: state.tail.lines)
            )
        }
        timer?.cancel()
        continuation?.resume(returning: outcome)
    }

    func worker(_ worker: Worker, sent message: UnsafeRawBufferPointer) {
        state.withLock {
            $0.tail.add(message)
            $0.tail.end()
        }
    }

    func worker(_ worker: Worker, wrote bytes: UnsafeRawBufferPointer, toError: Bool) {
        state.withLock { $0.tail.add(bytes) }
    }

    func worker(_ worker: Worker, misbehaved reason: String) {
        state.withLock { $0.tail.add(line: reason) }
    }

    func worker(_ worker: Worker, ended end: WorkerEnd) { finish(end) }
}

/// The last lines of a stream of bytes; memory is bounded whatever comes.
struct LineTail {
    private static var longest: Int { 2_000 }
    private let capacity: Int
    private(set) var lines: [String] = []
    private var rest: [UInt8] = []

    init(capacity: Int) {
        self.capacity = max(1, capacity)
    }

    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        var piece = bytes[...]
        while let end = piece.firstIndex(of: 0x0A) {
            append(piece[..<end])
            self.end()
            piece = piece[(end + 1)...]
        }
        append(piece)
    }

    mutating func add(line: String) {
        lines.append(line)
        if lines.count > capacity { lines.removeFirst(lines.count - capacity) }
    }

    /// What has no end of line yet is a line.
    mutating func end() {
        guard !rest.isEmpty else { return }
        // Progress is drawn over itself: only its last state is a line.
        let shown = rest.split(separator: 0x0D).last.map { Array($0) } ?? []
        rest = []
        add(line: String(decoding: shown, as: UTF8.self))
    }

    private mutating func append(_ bytes: Slice<UnsafeRawBufferPointer>) {
        rest.append(contentsOf: bytes.prefix(max(0, Self.longest - rest.count)))
    }
}
