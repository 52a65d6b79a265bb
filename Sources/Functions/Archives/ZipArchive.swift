/// A zip file in memory.
struct ZipArchive {
    private let bytes: [UInt8]
    private let limits: ArchiveLimits
    private let directory: ZipDirectory

    /// Reads and judges the directory; nothing is unpacked.
    init(_ bytes: [UInt8], limits: ArchiveLimits) throws(ArchiveError) {
        self.bytes = bytes
        self.limits = limits
        directory = try ZipDirectory(bytes, limits: limits)
    }

    var entries: [ArchiveEntry] { directory.members.map(\.entry) }

    func extract(into sink: inout some ArchiveSink) throws(ArchiveError) {
        var budget = ArchiveBudget(limits, archiveSize: bytes.count)
        for member in directory.members {
            if member.entry.isFolder {
                try sink.folder(member.entry.path)
                continue
            }
            try sink.begin(member.entry)
            var crc = CRC32()
            if member.isDeflated {
                try inflate(member, into: &sink, &crc, &budget)
            } else {
                guard member.data.count == member.size else { throw wrongSize(member) }
                try budget.produce(member.size)
                crc.add(bytes[member.data])
                try sink.write(bytes[member.data])
            }
            guard crc.value == member.crc else {
                throw ArchiveError(.corrupt, entry: member.rawName, "is damaged: its checksum is wrong")
            }
            try sink.end()
        }
    }

    private func inflate(
        _ member: ZipDirectory.Member, into sink: inout some ArchiveSink, _ crc: inout CRC32,
        _ budget: inout ArchiveBudget
    ) throws(ArchiveError) {
        let inflater = try Inflater(.raw)
        var rest = bytes[member.data]
        var left = member.size
        var chunk: [UInt8] = []
        while true {
            guard let step = inflater.step(rest, into: &chunk) else {
                throw ArchiveError(.corrupt, entry: member.rawName, "is damaged: it cannot be unpacked")
            }
            rest = rest.dropFirst(step.consumed)
            left -= chunk.count
            guard left >= 0 else { throw wrongSize(member) }
            try budget.produce(chunk.count)
            crc.add(chunk[...])
            try sink.write(chunk[...])
            if step.isEnd { break }
        }
        guard left == 0, rest.isEmpty else { throw wrongSize(member) }
    }

    private func wrongSize(_ member: ZipDirectory.Member) -> ArchiveError {
        ArchiveError(.unsafe, entry: member.rawName, "has another size than the zip file's directory says")
    }
}
