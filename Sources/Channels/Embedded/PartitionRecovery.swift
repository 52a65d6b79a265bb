import CloudEvents

/// Opens a partition's folder: what is there is made whole again, and nothing valid is thrown away.
///
/// Sealed segments are not read, the file beside them says what must be known; the last one is, because a crash can
/// have torn its end.
struct PartitionRecovery {
    let number: Int
    let directory: String
    let environment: PartitionEnvironment
    /// Milliseconds since 1970, for a segment that must be begun.
    let now: Int64

    private func path(_ base: UInt64, _ suffix: String = Segment.logSuffix) -> String {
        "\(directory)/\(Segment.stem(base))\(suffix)"
    }

    /// Blocks.
    func open() throws(ChannelError) -> Partition {
        do throws(SystemError) {
            return try recover()
        } catch {
            throw error.channelError("opening \(directory)")
        }
    }

    private func recover() throws(SystemError) -> Partition {
        let fileSystem = environment.fileSystem
        try fileSystem.createDirectory(directory)
        let names = try fileSystem.list(directory)
        let kept = try RetentionFloor.read(directory, fileSystem)
        var bases = names.compactMap { Segment.base(ofFile: $0, suffix: Segment.logSuffix) }.sorted()
        // Retention wrote its floor and was cut off before it had removed all.
        while let floor = kept, bases.count > 1, bases[1] <= floor {
            try fileSystem.unlinkIfPresent(path(bases.removeFirst()))
        }
        let orphan = try removeOrphans(names, bases: bases, floor: kept ?? 0)

        var sealed: [Segment] = []
        for (index, base) in bases.dropLast().enumerated() {
            sealed.append(try sealedSegment(base, next: bases[index + 1], before: sealed.last))
        }
        var active = try bases.last.map { base throws(SystemError) in try activeSegment(base, before: sealed.last) }
        // A segment that was begun and never got a record, while the one before went on.
        while let last = active, last.scan.records == 0, let previous = sealed.last,
            let end = previous.summary?.end, end > last.header.base
        {
            for suffix in [Segment.logSuffix, Segment.identitySuffix] {
                try fileSystem.unlinkIfPresent(path(last.header.base, suffix))
                environment.files.forget(path(last.header.base, suffix))
            }
            sealed.removeLast()
            active = try activeSegment(previous.base, before: sealed.last)
        }
        let end = active?.scan.end ?? max(kept ?? 0, sealed.last?.summary?.end ?? 0)
        if active == nil || orphan > end {
            if let active { sealed.append(seal(active, next: orphan)) }
            active = try begin(max(end, orphan), created: max(now, active?.scan.lastAppended ?? .min))
        }
        guard let active else { throw SystemError(0, "recovery", directory) }
        return partition(sealed, active, floor: min(kept ?? 0, active.scan.end))
    }

    private func partition(_ sealed: [Segment], _ active: Active, floor: UInt64) -> Partition {
        let state = Partition.State(
            floor: floor, segments: sealed + [Segment(header: active.header, summary: nil)],
            index: IndexBuilder(entries: active.scan.index), position: active.scan.position, next: active.scan.end,
            lastAppended: max(active.scan.lastAppended, sealed.last?.summary?.lastAppended ?? .min))
        let writer = Partition.Writer(
            identities: active.identities, records: active.scan.records, firstAppended: active.scan.firstAppended)
        return Partition(number: number, directory: directory, environment: environment, state: state, writer: writer)
    }

    /// The segment that is written to, after its scan.
    private struct Active {
        var header: SegmentHeader
        var scan: SegmentScan
        var identities: IdentityFile.Writer
    }

    /// Reads the last segment, cuts its torn tail and makes sure that what remains is on disk.
    private func activeSegment(_ base: UInt64, before: Segment?) throws(SystemError) -> Active {
        let path = path(base)
        let file = try environment.files.file(path)
        let size = try file.size()
        let read = SegmentHeader(try file.bytes(at: 0, count: SegmentHeader.length))
        let header =
            read ?? SegmentHeader(salt: environment.salt, base: base, created: before?.summary?.lastAppended ?? now)
        try environment.fileSystem.unlinkIfPresent(self.path(base, Segment.indexSuffix))
        var reader = environment.reader(file, end: size)
        var identities = IdentityFile.Writer(
            path: self.path(base, Segment.identitySuffix), base: base, key: environment.key)
        let scan = try SegmentScan(&reader, header: header) { record, event in
            guard environment.keepsIdentities else { return }
            identities.add(environment.key.identity(of: event), appended: record.appended)
            if identities.wantsFlush { identities.flush(environment.fileSystem, environment.files) }
        }
        if read == nil { try file.writeAll(header.bytes, at: 0) }
        if size > scan.position {
            environment.report(
                "\(path): \(size - scan.position) bytes behind offset \(scan.end) are a torn write and were cut off")
            try file.truncate(to: scan.position)
        }
        if scan.lost > 0 { environment.report("\(path): \(scan.lost) events are damaged; readers will pass over them") }
        if read == nil || size != SegmentHeader.length {
            // What was written and not yet acknowledged when the process died may be in the cache only.
            try file.sync()
        }
        return Active(header: header, scan: scan, identities: identities)
    }

    /// A segment that is not written to any more, from the file beside it, or by a scan where that is of no use.
    private func sealedSegment(_ base: UInt64, next: UInt64, before: Segment?) throws(SystemError) -> Segment {
        let file = try environment.files.file(path(base))
        let size = try file.size()
        let earliest = before?.summary?.lastAppended ?? .min
        let header =
            SegmentHeader(try file.bytes(at: 0, count: SegmentHeader.length))
            ?? SegmentHeader(salt: environment.salt, base: base, created: earliest)
        if let index = try? environment.fileSystem.open(
            path(base, Segment.indexSuffix), create: false, truncate: false),
            let summary = SegmentSummary(try index.bytes(at: 0, count: SegmentSummary.length)),
            summary.base == base, summary.size == size
        {
            return Segment(header: header, summary: summary)
        }
        environment.report("\(path(base)): its index is missing or damaged; the segment is read to make it again")
        var reader = environment.reader(file, end: size)
        let scan = try SegmentScan(&reader, header: header, below: next) { _, _ in }
        let summary = SegmentSummary(
            base: base, end: scan.position < size ? max(next, scan.end) : scan.end, size: size,
            firstAppended: scan.firstAppended ?? header.created, lastAppended: scan.lastAppended,
            entries: scan.index.count, identities: scan.records)
        writeIndex(summary, scan.index)
        return Segment(header: header, summary: summary)
    }

    /// Seals a segment found to be not the last.
    private func seal(_ active: Active, next: UInt64) -> Segment {
        var identities = active.identities
        if environment.keepsIdentities { identities.seal(environment.fileSystem, environment.files) }
        let summary = SegmentSummary(
            base: active.header.base, end: active.scan.end, size: active.scan.position,
            firstAppended: active.scan.firstAppended ?? active.header.created, lastAppended: active.scan.lastAppended,
            entries: active.scan.index.count, identities: active.scan.records)
        writeIndex(summary, active.scan.index)
        return Segment(header: active.header, summary: summary)
    }

    private func writeIndex(_ summary: SegmentSummary, _ entries: [IndexEntry]) {
        let path = path(summary.base, Segment.indexSuffix)
        environment.files.forget(path)
        try? environment.fileSystem.open(path, create: true, truncate: true).writeAll(
            summary.bytes(entries: entries), at: 0)
    }

    private func begin(_ base: UInt64, created: Int64) throws(SystemError) -> Active {
        let header = SegmentHeader(salt: environment.salt, base: base, created: created)
        let file = try environment.fileSystem.open(path(base), create: true, truncate: true)
        try file.writeAll(header.bytes, at: 0)
        try file.sync()
        try environment.fileSystem.syncDirectory(directory)
        var reader = environment.reader(file, end: SegmentHeader.length)
        return Active(
            header: header, scan: try SegmentScan(&reader, header: header) { _, _ in },
            identities: IdentityFile.Writer(
                path: path(base, Segment.identitySuffix), base: base, key: environment.key))
    }

    /// Removes files that stood beside segments which are gone.
    ///
    /// - Returns: an offset that the lost segments did not go beyond; 0 when none is lost. It must not be used again,
    ///   because subscriptions may have settled it.
    private func removeOrphans(_ names: [String], bases: [UInt64], floor: UInt64) throws(SystemError) -> UInt64 {
        var end: UInt64 = 0
        for name in names {
            if let base = Segment.base(ofFile: name, suffix: Segment.indexSuffix), !bases.contains(base) {
                let summary = SegmentSummary(
                    try environment.fileSystem.contents("\(directory)/\(name)") ?? [])
                if base >= floor, let summary, summary.base == base { end = max(end, summary.end) }
                try environment.fileSystem.unlinkIfPresent("\(directory)/\(name)")
            } else if let base = Segment.base(ofFile: name, suffix: Segment.identitySuffix), !bases.contains(base) {
                let size = try environment.fileSystem.contents("\(directory)/\(name)")?.count ?? 0
                if base >= floor, base > (bases.last ?? 0), size >= IdentityFile.headerLength {
                    // Up to a buffer of identities had not been written when the process ended.
                    end = max(end, base + UInt64(size / IdentityEntry.size) + 256)
                }
                try environment.fileSystem.unlinkIfPresent("\(directory)/\(name)")
            }
        }
        if end > 0 { environment.report("\(directory): segments up to offset \(end) are missing") }
        return end
    }
}
