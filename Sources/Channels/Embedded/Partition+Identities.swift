import CloudEvents
import Synchronization

extension Partition {
    /// Reads the identities of the partition's events backwards, a segment at a time; blocks.
    struct Identities {
        private let partition: Partition
        /// Segments not yet read, the last is next.
        private var segments: [Segment]
        private var entries: [IdentityEntry] = []

        init(_ partition: Partition) {
            self.partition = partition
            segments = partition.state.withLock { $0.segments }
        }

        /// The newest entry not yet taken.
        ///
        /// A segment that cannot be read is passed over: repeated events may then be stored twice, which is better than
        /// storing none.
        mutating func peek() -> IdentityEntry? {
            while entries.isEmpty, let segment = segments.popLast() {
                do throws(SystemError) {
                    entries = try partition.identities(of: segment)
                } catch {
                    partition.environment.report("repeated events may not be recognised: \(error.text)")
                }
            }
            return entries.last
        }

        mutating func drop() { entries.removeLast() }
    }

    fileprivate func identities(of segment: Segment) throws(SystemError) -> [IdentityEntry] {
        let path = path(segment.base, Segment.identitySuffix)
        let key = environment.key
        guard let summary = segment.summary else {
            let count = writer.withLock { writer -> Int? in
                writer.identities.flush(environment.fileSystem, environment.files)
                return writer.hasAllIdentities ? writer.records : nil
            }
            if let count {
                let file = try environment.files.file(path)
                if let entries = try IdentityFile.entries(
                    file, base: segment.base, key: key, count: count, sealed: false)
                {
                    return entries
                }
            }
            return try scan(segment)
        }
        if let file = try? environment.fileSystem.open(path, create: false, truncate: false),
            let entries = try IdentityFile.entries(
                file, base: segment.base, key: key, count: summary.identities, sealed: true)
        {
            return entries
        }
        environment.report("\(path) is missing or damaged; the segment is read to make it again")
        let entries = try scan(segment)
        var file = IdentityFile.Writer(path: path, base: segment.base, key: key)
        for entry in entries { file.add(entry.identity, appended: entry.appended) }
        if entries.count == summary.identities { file.seal(environment.fileSystem, environment.files) }
        return entries
    }

    private func scan(_ segment: Segment) throws(SystemError) -> [IdentityEntry] {
        let file: any LogFile
        do {
            file = try environment.files.file(path(segment.base))
        } catch  where error.isAbsent {
            return []
        }
        let size = segment.summary?.size ?? state.withLock { $0.position }
        var reader = environment.reader(file, end: size)
        var entries: [IdentityEntry] = []
        _ = try SegmentScan(&reader, header: segment.header) { record, event in
            entries.append(IdentityEntry(identity: environment.key.identity(of: event), appended: record.appended))
        }
        return entries
    }
}
