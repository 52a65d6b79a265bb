import Invocation
import Synchronization
import WeirHTTP

/// The newest log lines of all functions, for those who follow; bounded, the oldest go first.
final class LogFeed: Sendable {
    private struct Line {
        let namespace: String
        let entry: LogEntry
    }

    private struct State {
        /// The number of the first kept line; lines are numbered from 0 as they come.
        var first: UInt64 = 0
        var lines: [Line] = []
        var waiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
        var nextWaiter: UInt64 = 0

        var next: UInt64 { first + UInt64(lines.count) }
    }

    private static let capacity = 8_192
    private let state = Mutex(State())

    func add(_ notice: LogNotice) {
        let entry = LogEntry(activation: notice.activationID, function: notice.function.name, line: notice.line)
        let waiters = state.withLock { state in
            state.lines.append(Line(namespace: notice.function.namespace, entry: entry))
            if state.lines.count > 2 * LogFeed.capacity {
                state.lines.removeFirst(LogFeed.capacity)
                state.first += UInt64(LogFeed.capacity)
            }
            defer { state.waiters = [:] }
            return state.waiters.values
        }
        for waiter in waiters { waiter.resume() }
    }

    func page(_ query: LogQuery) -> LogPage {
        state.withLock { state in
            let start: UInt64 =
                switch query.cursor {
                case nil: state.first
                case "latest": state.next
                case let text?: min(max(UInt64(text) ?? state.first, state.first), state.next)
                }
            var page = LogPage(lines: [], cursor: String(start))
            var number = start
            for line in state.lines[Int(start - state.first)...] {
                if page.lines.count == query.limit { break }
                number += 1
                guard line.namespace == query.namespace, query.function.map({ $0 == line.entry.function }) ?? true,
                    query.since.map({ line.entry.line.time >= $0 }) ?? true
                else { continue }
                page.lines.append(line.entry)
            }
            page.cursor = String(number)
            return page
        }
    }

    /// Returns when there are lines behind the cursor, or when the task is cancelled.
    func wait(behind cursor: String) async {
        let ticket = state.withLock { state in
            defer { state.nextWaiter += 1 }
            return state.nextWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isThere = state.withLock { state in
                    if Task.isCancelled || (UInt64(cursor) ?? state.next) < state.next { return true }
                    state.waiters[ticket] = continuation
                    return false
                }
                if isThere { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: ticket) }?.resume()
        }
    }
}
