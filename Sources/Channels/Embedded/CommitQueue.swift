import CloudEvents

/// One call of `append`, waiting to be written.
struct AppendRequest: Sendable {
    var events: [EventRecord]
    var routes: [Route]
    var bytes: Int
    var continuation: CheckedContinuation<Result<[AppendOutcome], ChannelError>, Never>

    /// Where one event goes and what it is known by.
    struct Route: Sendable {
        var partition: Int
        /// `nil` when the channel remembers none.
        var identity: EventIdentity?
    }
}

/// What waits for a channel's writer; one commit is under way at a time, and what queues up meanwhile is the next.
struct CommitQueue {
    /// What the writer does next.
    enum Turn {
        case appends([AppendRequest])
        case work(@Sendable () -> Void)
    }

    private enum Entry {
        case append(AppendRequest)
        case work(@Sendable () -> Void)
    }

    private var entries: [Entry] = []
    private var head = 0
    private var isWriting = false
    private(set) var isClosed = false

    /// - Returns: whether the caller must start a writer.
    mutating func add(_ request: AppendRequest) -> Bool { add(.append(request)) }

    /// Queues something that must not run beside a commit.
    mutating func add(_ work: @escaping @Sendable () -> Void) -> Bool { add(.work(work)) }

    private mutating func add(_ entry: Entry) -> Bool {
        entries.append(entry)
        defer { isWriting = true }
        return !isWriting
    }

    /// Refuses appends from now on; what is queued is still written.
    mutating func close() { isClosed = true }

    /// - Returns: `nil` when there is nothing to do; the writer then ends.
    mutating func next(bytes limit: Int) -> Turn? {
        var requests: [AppendRequest] = []
        var bytes = 0
        loop: while head < entries.count {
            switch entries[head] {
            case .append(let request):
                if !requests.isEmpty, bytes + request.bytes > limit { break loop }
                requests.append(request)
                bytes += request.bytes
                head += 1
            case .work(let work):
                guard requests.isEmpty else { break loop }
                head += 1
                compact()
                return .work(work)
            }
        }
        compact()
        if requests.isEmpty {
            isWriting = false
            return nil
        }
        return .appends(requests)
    }

    private mutating func compact() {
        if head == entries.count {
            entries.removeAll(keepingCapacity: entries.count <= 256)
            head = 0
        } else if head >= 256 {
            entries.removeFirst(head)
            head = 0
        }
    }
}
