import CloudEvents

/// Reading on in one file, whatever has become of it.
extension BillingSource {
    /// The most files that are kept open.
    private static let openLimit = 8

    /// Reads what is new in one day's file.
    ///
    /// - Returns: whether more is there than one call reads, so that no file starves the others.
    func readOn(_ entry: BillingCatalog.File) async throws -> Bool {
        guard entry.hasPlain else {
            if positions[entry.name]?.packedDone == true { return false }
            try await endOpen(entry.name, entry.date)
            if entry.hasPacked { try await readPacked(entry) }
            return false
        }
        guard let facts = try files.facts(path(entry.name)), facts.kind == .file else { return false }
        if let position = positions[entry.name] {
            switch position.judge(facts) {
            case .unchanged:
                return false
            case .grown: break
            case .truncated: try await startOver(entry.name, facts, truncated: true)
            case .replaced:
                try await endOpen(entry.name, entry.date)
                try await adopt(entry, facts)
            }
        } else {
            positions[entry.name] = BillingPosition(inode: facts.inode)
        }
        return try await readGrown(entry)
    }

    func path(_ name: String) -> String { root + "/" + name }

    /// Reads to the end that the file has now, at most 64 chunks.
    private func readGrown(_ entry: BillingCatalog.File) async throws -> Bool {
        guard let open = try opened(entry) else { return false }
        for _ in 0..<64 {
            switch try await readChunk(entry.name, open) {
            case .some: continue
            case .end: return false
            case .otherContent:
                // Truncated and grown again since the last look: what stood behind the position may be lost.
                forgetOpen(entry.name)
                guard let facts = try files.facts(path(entry.name)) else { return false }
                try await startOver(entry.name, facts, truncated: true)
                return true
            }
        }
        return true
    }

    enum Chunk { case some, end, otherContent }

    /// Reads one chunk of whole lines, publishes it and moves the position.
    func readChunk(_ name: String, _ open: OpenBillingFile) async throws -> Chunk {
        guard let position = positions[name] else { return .end }
        var wanted = settings.chunk
        while true {
            let back = position.tail.count
            let bytes = try open.file.read(at: position.offset - Int64(back), count: back + wanted)
            guard bytes.count >= back, bytes.prefix(back).elementsEqual(position.tail) else { return .otherContent }
            let new = bytes[back...]
            positions[name]?.size = max(position.offset + Int64(new.count), try open.file.facts().size)
            guard !new.isEmpty else { return .end }
            if let end = new.lastIndex(of: 0x0A) {
                try await take(new[...end], name, open)
                return .some
            }
            // The last line is not ended yet, and waits; unless it is longer than the chunk.
            guard new.count >= wanted else { return .end }
            if wanted >= settings.longestLine {
                lines.failures.append(
                    .init(line: 0, reason: "The line is longer than \(settings.longestLine) bytes.", bytes: Array(new)))
                try await take(new, name, open, decode: false)
                return .some
            }
            wanted = min(wanted * 4, settings.longestLine)
        }
    }

    /// Decodes bytes, publishes what comes of them and, when that is durable, keeps the position behind them.
    func take(_ bytes: ArraySlice<UInt8>, _ name: String, _ open: OpenBillingFile, decode: Bool = true) async throws {
        guard var position = positions[name] else { return }
        if decode { open.decoder.decode(bytes, into: &lines) }
        position.advance(over: bytes, head: &open.head)
        position.decoder = open.decoder.state
        try await publish(name)
        positions[name] = position
        try await save(name)
    }

    func publish(_ name: String) async throws {
        if !lines.failures.isEmpty {
            let now = clock.wall()
            let path = path(name)
            try await output.publish(
                unreadable: lines.failures.map {
                    Unreadable(
                        bytes: $0.bytes, reason: $0.reason, source: "file://\(path)", subject: path,
                        line: $0.line > 0 ? $0.line : nil, time: now
                    ).event
                })
        }
        if !lines.events.isEmpty { try await output.publish(lines.events) }
        lines.removeAll()
    }

    // MARK: Which file it is

    /// The open file of a name, opened at its position.
    private func opened(_ entry: BillingCatalog.File) throws -> OpenBillingFile? {
        if let index = open.firstIndex(where: { $0.name == entry.name }) {
            let found = open.remove(at: index)
            open.append(found)
            return found.file
        }
        guard let position = positions[entry.name] else { return nil }
        let file: any OpenFile
        do {
            file = try files.open(path(entry.name))
        } catch {
            if try files.facts(path(entry.name)) == nil { return nil }
            output.report.note("A billing file cannot be read: \(error)")
            return nil
        }
        // Between listing and opening the name may have gone to another file: that one comes with the next look.
        guard try file.facts().inode == position.inode else { return nil }
        return try keepOpen(file, entry, position)
    }

    private func keepOpen(
        _ file: any OpenFile, _ entry: BillingCatalog.File, _ position: BillingPosition
    ) throws -> OpenBillingFile {
        let decoder = try makeDecoder(entry.date, position.decoder)
        let head = try file.read(at: 0, count: Int(min(position.offset, Int64(BillingPosition.headLength))))
        let opened = OpenBillingFile(file: file, inode: position.inode, decoder: decoder, head: head)
        open.append((entry.name, opened))
        if open.count > Self.openLimit { open.removeFirst() }
        return opened
    }

    func forgetOpen(_ name: String) { open.removeAll { $0.name == name } }

    /// Another file has the name: the same content in another place is read on, another content from its beginning.
    private func adopt(_ entry: BillingCatalog.File, _ facts: FileFacts) async throws {
        guard let position = positions[entry.name] else { return }
        if facts.size >= position.offset, let file = try? files.open(path(entry.name)),
            try file.facts().inode == facts.inode,
            BillingPosition.fingerprint(try file.read(at: 0, count: position.headCount)) == position.head
                || position.headCount == 0,
            try file.read(at: position.offset - Int64(position.tail.count), count: position.tail.count)
                == position.tail
        {
            positions[entry.name]?.inode = facts.inode
            positions[entry.name]?.packedDone = false
            return
        }
        try await startOver(entry.name, facts, truncated: false)
    }

    /// Reads a file from its beginning; lines that were read before bear the same ids and are dropped by the channel.
    private func startOver(_ name: String, _ facts: FileFacts, truncated: Bool) async throws {
        forgetOpen(name)
        if truncated {
            try await gap(
                name,
                "The file was truncated while it was followed: lines behind byte "
                    + "\(positions[name]?.offset ?? 0) may have gone unread.")
        }
        positions[name] = BillingPosition(inode: facts.inode)
        try await save(name)
    }

    func gap(_ name: String, _ reason: String) async throws {
        output.report.change { $0.counts.gaps += 1 }
        let path = path(name)
        try await output.publish([
            GapEvent.gap(source: "file://\(path)", subject: path, from: intactUntil, to: clock.wall(), reason: reason)
        ])
    }
}
