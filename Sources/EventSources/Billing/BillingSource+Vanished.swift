/// Files whose name has gone: renamed, packed, deleted.
extension BillingSource {
    /// Ends what is known by names that are in the directory no more.
    func vanished(_ catalog: BillingCatalog) async throws {
        let there = Set(catalog.files.map(\.name))
        let newest = catalog.files.last?.date.order ?? 0
        for name in positions.keys.sorted() where !there.contains(name) {
            guard let date = BillingName(name.split(separator: "/").last ?? "") else { continue }
            let wasOpen = open.contains { $0.name == name }
            try await endOpen(name, date)
            if !wasOpen, let position = positions[name] {
                let unread = position.size > position.offset
                // An old day's file that was read and is gone is housekeeping; today's is a loss to be told.
                if unread || date.order >= newest {
                    try await gap(name, "The file is gone: lines behind byte \(position.offset) may have gone unread.")
                }
            }
            positions[name] = nil
            try await save(name)
        }
    }

    /// Reads the file that bore a name until now to its end: it is still open, or found under another name by its inode.
    func endOpen(_ name: String, _ date: BillingName) async throws {
        guard let position = positions[name] else { return }
        var last = open.first { $0.name == name }?.file
        forgetOpen(name)
        if last == nil, let file = try renamed(name, position.inode) {
            let head = try file.read(at: 0, count: Int(min(position.offset, Int64(BillingPosition.headLength))))
            last = OpenBillingFile(
                file: file, inode: position.inode, decoder: try makeDecoder(date, position.decoder), head: head)
        }
        guard let last else { return }
        while case .some = try await readChunk(name, last) {}
        guard let position = positions[name] else { return }
        // No writer knows the file by its name any more, so a last line without its end will not get one.
        let rest = try last.file.read(at: position.offset, count: settings.longestLine)
        if !rest.isEmpty, position.tail.isEmpty || position.offset > 0 {
            last.decoder.decode(rest + [0x0A], into: &lines)
        }
        last.decoder.finish(into: &lines)
        try await publish(name)
        guard !rest.isEmpty else { return }
        positions[name]?.advance(over: rest[...], head: &last.head)
        positions[name]?.decoder = last.decoder.state
        try await save(name)
    }

    /// A file in the same folder that has the inode and is no billing file by its name.
    private func renamed(_ name: String, _ inode: UInt64) throws -> (any OpenFile)? {
        let parts = name.split(separator: "/")
        let folder = ([root] + parts.dropLast().map(String.init)).joined(separator: "/")
        guard let names = try? files.list(folder) else { return nil }
        for bytes in names {
            let other = String(decoding: bytes, as: UTF8.self)
            guard BillingName(other) == nil, let facts = try? files.facts(folder + "/" + other), facts.kind == .file,
                facts.inode == inode, let file = try? files.open(folder + "/" + other)
            else { continue }
            return file
        }
        return nil
    }

    /// At the very first start with `start: latest`: goes to the end of everything without publishing. The newest file
    /// is read through, because its header lines say which formats are in force.
    func skipPast(_ catalog: BillingCatalog) async throws {
        for entry in catalog.files {
            if !entry.hasPlain {
                var position = BillingPosition(inode: 0)
                position.packedDone = true
                positions[entry.name] = position
                try await save(entry.name)
                continue
            }
            guard let facts = try files.facts(path(entry.name)), facts.kind == .file else { continue }
            let file = try files.open(path(entry.name))
            var position = BillingPosition(inode: facts.inode)
            let opened = OpenBillingFile(
                file: file, inode: facts.inode, decoder: try makeDecoder(entry.date, []), head: [])
            while position.offset < facts.size {
                let bytes = try file.read(at: position.offset, count: settings.longestLine)
                guard let end = bytes.lastIndex(of: 0x0A) else { break }
                opened.decoder.decode(bytes[...end], into: &lines)
                lines.removeAll()
                position.advance(over: bytes[...end], head: &opened.head)
            }
            position.decoder = opened.decoder.state
            position.size = facts.size
            positions[entry.name] = position
            try await save(entry.name)
        }
    }
}
