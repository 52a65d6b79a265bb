import CloudEvents

/// Days that are there only packed: `billing-2026.05.20.bz2`.
extension BillingSource {
    /// Reads what the packed file holds behind the position of the plain one; nothing, when that was read to its end.
    func readPacked(_ entry: BillingCatalog.File) async throws {
        if positions[entry.name]?.packedDone == true { return }
        let packed = path(entry.name) + ".bz2"
        let unpacker: Unpacker
        do {
            unpacker = try Unpacker(program: settings.unpacker, path: packed)
        } catch {
            output.report.note(error.message)
            return
        }
        defer { unpacker.stop() }
        if positions[entry.name] == nil { positions[entry.name] = BillingPosition(inode: 0) }
        guard let position = positions[entry.name] else { return }
        let opened = OpenBillingFile(
            file: NoFile(), inode: 0, decoder: try makeDecoder(entry.date, position.decoder), head: [])
        guard let rest = try skip(position, unpacker, opened) else {
            // It is not what was read under this name: all of it is read, what is known is dropped by its ids.
            positions[entry.name] = BillingPosition(inode: 0)
            try await save(entry.name)
            return try await readPacked(entry)
        }
        var buffer = rest
        while true {
            try Task.checkCancellation()
            if let end = buffer.lastIndex(of: 0x0A) {
                try await take(buffer[...end], entry.name, opened)
                buffer.removeFirst(end + 1)
            } else if buffer.count >= settings.longestLine {
                lines.failures.append(
                    .init(line: 0, reason: "The line is longer than \(settings.longestLine) bytes.", bytes: buffer))
                try await take(buffer[...], entry.name, opened, decode: false)
                buffer.removeAll()
            }
            let bytes = try unpacker.read(settings.chunk)
            if bytes.isEmpty { break }
            buffer += bytes
        }
        guard unpacker.succeeded() else {
            // Being written still, or damaged: it is tried again with the next look at everything.
            output.report.note("\(packed) cannot be unpacked to its end: is it whole?")
            return
        }
        if !buffer.isEmpty {
            opened.decoder.decode(buffer + [0x0A], into: &lines)
        }
        opened.decoder.finish(into: &lines)
        try await publish(entry.name)
        positions[entry.name]?.packedDone = true
        if let offset = positions[entry.name]?.offset { positions[entry.name]?.size = offset }
        try await save(entry.name)
    }

    /// Passes over what was read before, comparing beginning and end; `nil` when it is another content.
    ///
    /// - Returns: what was unpacked behind the position.
    private func skip(_ position: BillingPosition, _ unpacker: Unpacker, _ opened: OpenBillingFile) throws -> [UInt8]? {
        guard position.offset > 0 else { return [] }
        var passed: Int64 = 0
        var last: [UInt8] = []
        while true {
            let bytes = try unpacker.read(settings.chunk)
            // The last line may have been given an end by us, which the file does not have.
            guard !bytes.isEmpty else { return nil }
            if opened.head.count < BillingPosition.headLength {
                let missing = min(BillingPosition.headLength, Int(clamping: position.offset)) - opened.head.count
                opened.head += bytes.prefix(max(0, missing))
            }
            let wanted = position.offset - passed
            if Int64(bytes.count) < wanted {
                passed += Int64(bytes.count)
                last = Array((last + bytes).suffix(BillingPosition.tailLength))
                continue
            }
            last = Array((last + bytes.prefix(Int(wanted))).suffix(BillingPosition.tailLength))
            let head = opened.head.prefix(position.headCount)
            guard BillingPosition.fingerprint(head) == position.head,
                last.suffix(position.tail.count) == position.tail[...]
            else { return nil }
            return Array(bytes.dropFirst(Int(wanted)))
        }
    }
}

/// Stands where no file is open.
private struct NoFile: OpenFile {
    func facts() throws(FileError) -> FileFacts { FileFacts(kind: .other, inode: 0, size: 0, modified: 0, changed: 0) }
    func read(at offset: Int64, count: Int) throws(FileError) -> [UInt8] { [] }
}
