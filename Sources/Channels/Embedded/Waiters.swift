/// Tasks that wait for records of a partition.
struct Waiters {
    private var waiting: [UInt64: (offset: UInt64, continuation: CheckedContinuation<Void, Never>)] = [:]
    /// Cancelled before they had begun to wait.
    private var cancelled: Set<UInt64> = []
    private var last: UInt64 = 0
    private var isClosed = false

    mutating func ticket() -> UInt64 {
        last += 1
        return last
    }

    /// - Returns: whether the waiter need not wait and must be resumed by the caller.
    mutating func add(
        _ ticket: UInt64, offset: UInt64, next: UInt64, _ continuation: CheckedContinuation<Void, Never>
    ) -> Bool {
        if cancelled.remove(ticket) != nil || isClosed || offset < next { return true }
        waiting[ticket] = (offset, continuation)
        return false
    }

    /// - Returns: the continuation to resume, if the waiter waits. A ticket that comes later finds the note.
    mutating func cancel(_ ticket: UInt64) -> CheckedContinuation<Void, Never>? {
        if let waiter = waiting.removeValue(forKey: ticket) { return waiter.continuation }
        cancelled.insert(ticket)
        return nil
    }

    /// The waiter is through: a cancellation that came too late to matter leaves nothing behind.
    mutating func forget(_ ticket: UInt64) { cancelled.remove(ticket) }

    /// Takes out those whose record is there.
    mutating func ready(next: UInt64) -> [CheckedContinuation<Void, Never>] {
        guard !waiting.isEmpty else { return [] }
        let ready = waiting.filter { $0.value.offset < next }
        for ticket in ready.keys { waiting[ticket] = nil }
        return ready.values.map(\.continuation)
    }

    mutating func close() -> [CheckedContinuation<Void, Never>] {
        isClosed = true
        defer { waiting = [:] }
        return waiting.values.map(\.continuation)
    }
}

/// Where the last few reads ended, so that the next read of the same reader need not search.
struct Cursors {
    private static let capacity = 8
    private var entries: [(offset: UInt64, base: UInt64, position: Int)] = []
    private var oldest = 0

    mutating func note(offset: UInt64, base: UInt64, position: Int) {
        if let index = entries.firstIndex(where: { $0.offset == offset }) {
            entries[index] = (offset, base, position)
        } else if entries.count < Self.capacity {
            entries.append((offset, base, position))
        } else {
            entries[oldest] = (offset, base, position)
            oldest = (oldest + 1) % Self.capacity
        }
    }

    /// The position of a record within a segment.
    func position(of offset: UInt64, base: UInt64) -> Int? {
        entries.first { $0.offset == offset && $0.base == base }?.position
    }
}
