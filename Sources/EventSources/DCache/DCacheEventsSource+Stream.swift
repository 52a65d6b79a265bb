import CloudEvents
import Outbound
import StorageEvents

/// Following the stream of one channel.
extension DCacheEventsSource {
    /// What ends the following of a stream without anything being wrong.
    private enum End { case goOn, stop }

    /// Opens the stream and follows it until it ends.
    func follow(_ channel: String) async throws {
        let stream = try await frontend.open(channel, lastEventID: lastEventID)
        switch stream.head.status {
        case 200: break
        case 403, 404, 410:
            // Gone with the frontend that held it in its memory, or after nobody had listened for too long.
            await lose("the channel is gone (\(stream.head.status))")
            return
        default:
            throw FrontendError(
                status: stream.head.status, detail: Frontend.detail(await stream.rest(4_096)),
                request: "GET \(channel)")
        }
        life.opened()
        // Without the id of a last event nothing is replayed.
        if lastEventID == nil, !life.isNew { life.lostEvents("the stream was cut before its first event") }
        parser = EventStreamParser(lastEventID: lastEventID)
        mapper = InotifyMapper(watches: watches.paths, includesOwnTypes: !spec.publish.isEmpty)
        let queue = WaitingQueue<[UInt8]>(capacity: 256)
        let outcome: Result<Void, any Error> = await withTaskGroup(of: Void.self) { group in
            group.addTask {
                do {
                    try await stream.forEach { piece in
                        await queue.push(waiting: piece)
                        return !queue.isClosed
                    }
                    queue.close()
                } catch {
                    queue.fail(SourceError(.ioFailure, "the stream was cut: \(error)"))
                }
            }
            let outcome: Result<Void, any Error>
            do {
                try await listen(queue, channel)
                outcome = .success(())
            } catch {
                outcome = .failure(error)
            }
            queue.close()
            group.cancelAll()
            return outcome
        }
        try outcome.get()
    }

    private func listen(_ queue: WaitingQueue<[UInt8]>, _ channel: String) async throws {
        if life.isNew {
            // The stream is open: nothing falls between a subscription and its first event.
            _ = try await frontend.beat(every: Double(spec.heartbeat) / 1_000, channel: channel)
            life.subscribed()
        }
        output.report.running()
        var waitingSince: Int64?
        while true {
            try Task.checkCancellation()
            try await beginSearch()
            let pieces: [[UInt8]]
            do {
                var limit = waitingSince.map {
                    Duration.nanoseconds(max(0, $0 + settings.renameGrace - clock.steady()))
                }
                if !scans.isEmpty { limit = .zero }
                guard let next = try await queue.next(waitingAtMost: limit) else { return ended(nil) }
                pieces = next
            } catch {
                return ended(error.message)
            }
            var output = InotifyMapper.Output()
            var isOver = false
            for piece in pieces {
                let messages = piece.withUnsafeBytes { parser.feed($0) }
                for message in messages {
                    guard message.event != "metronome" else { continue }
                    mapper.take(message, into: &output)
                    // What an action does, messages behind it count on.
                    let actions = mapper.takeActions()
                    guard !actions.isEmpty else { continue }
                    try await take(&output)
                    for action in actions where try await act(action) == .stop { isOver = true }
                }
            }
            if let since = waitingSince, clock.steady() - since >= settings.renameGrace { mapper.flush(into: &output) }
            waitingSince = mapper.isWaiting ? waitingSince ?? clock.steady() : nil
            try await take(&output)
            if !isOver { try await step(channel) }
            if !mapper.isWaiting, scans.isEmpty { intactUntil = clock.wall() }
            try await flush()
            if isOver { return }
        }
    }

    private func ended(_ why: String?) {
        if let why { output.report.failing(why) }
        life.failed(now: clock.steady())
    }

    /// A watched folder is not there any more: what was told until then is kept, and the channel is of no use.
    func giveUp(_ why: String) async throws {
        await lose(why)
        try await flush()
        throw SourceError(.missing, why)
    }

    func lose(_ why: String) async {
        output.report.failing(why)
        life.lost(now: clock.steady(), why)
    }

    private func act(_ action: StreamAction) async throws -> End {
        switch action {
        case .reconcile(let reason):
            // What a search that is under way has passed by may have changed since.
            scans.removeAll(where: \.isWhole)
            life.lostEvents(reason)
        case .rescan(let path):
            let gap = EventGap(from: intactUntil, to: clock.wall(), reason: "dCache's queue for the folder was full")
            pending.append(gapEvent(gap, path))
            output.report.change { $0.counts.gaps += 1 }
            var scan = TreeScan(.folder, [path])
            scan.gap = gap
            scans.append(scan)
        case .recreateChannel:
            await lose("the frontend was stopped, and its channels with it")
            return .stop
        case .yieldChannel:
            output.report.failing("another client has taken the channel: it is asked for again in a minute")
            life.taken(now: clock.steady())
            return .stop
        case .subscribed: break
        case .unsubscribed(let subscription, _): watches.retire(subscription)
        case .pathStale(_, let path):
            // Of a folder below, the folder above tells the new name.
            guard spec.paths.contains(path) else { break }
            try await giveUp("the folder \(path) itself was renamed: name the new one, or rename it back")
        }
        return .goOn
    }

    /// Looks at what needs looking at, a few at a time, and then takes everything in its order.
    private func take(_ output: inout InotifyMapper.Output) async throws {
        defer { output = InotifyMapper.Output() }
        let now = clock.wall()
        pendingUnreadable += output.failures.compactMap { failure in
            let subscription = (try? JSONValue(parsing: failure.raw))?["subscription"]?.string
            // News of a watch that was ended are not wanted.
            if let subscription, watches.retired.contains(subscription) { return nil }
            return Unreadable(
                bytes: failure.raw, reason: failure.description, source: system, subject: "events", time: now
            ).event
        }
        let wanted = output.happenings.filter(isWanted).map(seenFromInside)
        let facts = try await look(at: wanted)
        for (index, happening) in wanted.enumerated() {
            try await take(happening, facts[index] ?? nil)
            if pending.count >= SourceOutput.batchLimit { try await flush() }
        }
    }

    private func isWanted(_ happening: StreamHappening) -> Bool {
        let isOfItself = happening.from == nil && happening.native["event"]?["name"] == nil
        // Of a watched folder itself the folder above tells, where it is watched.
        if isOfItself, !spec.paths.contains(happening.path) { return false }
        if happening.type.hasPrefix("org.dcache.inotify.") {
            let name = happening.type.dropFirst("org.dcache.inotify.".count).uppercased()
            guard spec.publish.contains(name) else { return false }
        }
        if happening.type == "dev.weir.file.read", !spec.publish.contains("IN_CLOSE_NOWRITE") { return false }
        let isNewNameWanted = admits(happening.path, isDirectory: happening.isDirectory)
        guard let from = happening.from else { return isNewNameWanted }
        return isNewNameWanted || admits(from, isDirectory: happening.isDirectory)
    }

    /// A move between a name that is wanted and one that is not is a coming or a going. A file that comes out of an
    /// unwanted name (`.part`) is put in place that way when it is complete.
    private func seenFromInside(_ happening: StreamHappening) -> StreamHappening {
        guard let from = happening.from else { return happening }
        let isFolder = happening.isDirectory
        var seen = happening
        if !admits(from, isDirectory: isFolder) {
            seen.from = nil
            seen.type = isFolder ? "dev.weir.directory.appeared" : "dev.weir.file.written"
        } else if !admits(happening.path, isDirectory: isFolder) {
            seen.path = from
            seen.from = nil
            seen.type = isFolder ? "dev.weir.directory.disappeared" : "dev.weir.file.disappeared"
        }
        return seen
    }

    /// The name space's word on files that were written or came under another name; by index of `happenings`.
    private func look(at happenings: [StreamHappening]) async throws -> [Int: NamespaceFacts?] {
        guard spec.confirm else { return [:] }
        let looked = happenings.indices.filter { index in
            switch happenings[index].type {
            case "dev.weir.file.written", "dev.weir.file.moved", "dev.weir.file.appeared": true
            default: false
            }
        }
        guard !looked.isEmpty else { return [:] }
        let (frontend, pause) = (frontend, pause)
        return try await withThrowingTaskGroup(of: (Int, NamespaceFacts?).self) { group in
            var facts: [Int: NamespaceFacts?] = [:]
            var next = looked.startIndex
            func begin() {
                guard next < looked.endIndex else { return }
                let index = looked[next]
                let path = happenings[index].path
                next += 1
                group.addTask {
                    var facts = try await frontend.facts(path)
                    // The size comes with the file's registration, which may be a little behind.
                    for _ in 0..<3 where facts.map({ $0.isFile && $0.size == nil }) == true {
                        try await pause(300_000_000)
                        facts = try await frontend.facts(path)
                    }
                    return (index, facts)
                }
            }
            for _ in 0..<Self.lookers { begin() }
            while let (index, one) = try await group.next() {
                facts[index] = .some(one)
                begin()
            }
            return facts
        }
    }
}
