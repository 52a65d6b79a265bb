/// Where a record lies, for some of the records of a segment.
struct IndexEntry: Sendable, Hashable {
    /// The offset, less the segment's base.
    var offset: UInt32
    var position: UInt32
    var appended: Int64

    static let size = 16
}

/// Picks one record in 64 KiB.
struct IndexBuilder: Sendable {
    static let interval = 64 << 10
    private(set) var entries: [IndexEntry] = []

    mutating func note(offset: UInt64, base: UInt64, position: Int, appended: Int64) {
        if let last = entries.last, position - Int(last.position) < Self.interval { return }
        entries.append(
            IndexEntry(
                offset: UInt32(truncatingIfNeeded: offset - base), position: UInt32(truncatingIfNeeded: position),
                appended: appended))
    }

    init(entries: [IndexEntry] = []) { self.entries = entries }
}

/// What the file beside a sealed segment says of it, so that opening a log need not read the segment.
///
/// The entries follow the header and are read one by one when needed; whoever uses one checks that the record is there,
/// so a damaged entry costs time, not truth.
struct SegmentSummary: Sendable, Hashable {
    static let length = 68

    var base: UInt64
    /// The offset behind the last record.
    var end: UInt64
    /// The size of the segment file.
    var size: Int
    var firstAppended: Int64
    var lastAppended: Int64
    /// How many entries follow.
    var entries: Int
    /// How many identities the file beside it must hold to be whole.
    var identities: Int

    init(
        base: UInt64, end: UInt64, size: Int, firstAppended: Int64, lastAppended: Int64, entries: Int, identities: Int
    ) {
        self.base = base
        self.end = end
        self.size = size
        self.firstAppended = firstAppended
        self.lastAppended = lastAppended
        self.entries = entries
        self.identities = identities
    }

    /// The file's bytes: header, then entries.
    func bytes(entries: [IndexEntry]) -> [UInt8] {
        var writer = ByteWriter()
        writer.put("WEIRIDX1")
        writer.put(base)
        writer.put(end)
        writer.put(UInt64(size))
        writer.put(firstAppended)
        writer.put(lastAppended)
        writer.put(UInt64(self.entries))
        writer.put(UInt64(identities))
        writer.seal()
        for entry in entries {
            writer.put(entry.offset)
            writer.put(entry.position)
            writer.put(entry.appended)
        }
        return writer.bytes
    }

    /// Reads the header; `nil` when it is damaged or none.
    init?(_ bytes: [UInt8]) {
        guard bytes.count >= Self.length, var reader = ByteReader(sealed: bytes[..<Self.length], magic: "WEIRIDX1")
        else { return nil }
        base = reader.take(UInt64.self)
        end = reader.take(UInt64.self)
        size = Int(truncatingIfNeeded: reader.take(UInt64.self))
        firstAppended = reader.take(Int64.self)
        lastAppended = reader.take(Int64.self)
        entries = Int(truncatingIfNeeded: reader.take(UInt64.self))
        identities = Int(truncatingIfNeeded: reader.take(UInt64.self))
        guard end >= base, size >= SegmentHeader.length, entries >= 0, entries <= size / IndexBuilder.interval + 1
        else { return nil }
    }
}

/// The entries of an index, in memory (the segment that is written to) or in its file.
enum IndexEntries {
    case memory([IndexEntry])
    case file(any LogFile, count: Int)

    var count: Int {
        switch self {
        case .memory(let entries): entries.count
        case .file(_, let count): count
        }
    }

    subscript(index: Int) -> IndexEntry? {
        switch self {
        case .memory(let entries): return entries[index]
        case .file(let file, _):
            guard
                let bytes = try? file.bytes(
                    at: SegmentSummary.length + index * IndexEntry.size, count: IndexEntry.size),
                bytes.count == IndexEntry.size
            else { return nil }
            var reader = ByteReader(bytes[...])
            return IndexEntry(
                offset: reader.take(UInt32.self), position: reader.take(UInt32.self), appended: reader.take(Int64.self))
        }
    }

    /// The last entry that satisfies a condition which all entries before some place satisfy and none behind it does.
    func last(where isBefore: (IndexEntry) -> Bool) -> IndexEntry? {
        var low = 0
        var high = count
        var best: IndexEntry?
        while low < high {
            let middle = (low + high) / 2
            guard let entry = self[middle] else { return nil }
            if isBefore(entry) {
                best = entry
                low = middle + 1
            } else {
                high = middle
            }
        }
        return best
    }
}
