import CloudEvents

/// What a walk over a whole segment found.
struct SegmentScan {
    /// The offset behind the last intact record; the base when there is none.
    var end: UInt64
    /// The position behind the last intact record: what follows is a torn tail or damage.
    var position: Int
    var firstAppended: Int64?
    var lastAppended: Int64
    /// Intact records.
    var records = 0
    /// Offsets that were passed over because of damage.
    var lost = 0
    var index: [IndexEntry] = []

    /// Walks over a segment from its first record to its last intact one, going on behind damage.
    ///
    /// - Parameters:
    ///   - below: offsets from here on belong to the next segment.
    ///   - body: is given every intact record.
    init(
        _ reader: inout SegmentReader, header: SegmentHeader, below: UInt64 = .max,
        _ body: (RecordFrame.Header, EventView) -> Void
    ) throws(SystemError) {
        var builder = IndexBuilder()
        end = header.base
        position = SegmentHeader.length
        lastAppended = header.created
        var at = SegmentHeader.length
        while at < reader.end {
            var found: RecordFrame.Header?
            if case .record(let header) = try reader.finding(at: at), header.offset >= end, header.offset < below {
                found = header
            } else if let next = try reader.resynchronise(
                from: at + 1, offsets: end..<min(below, end + UInt64(reader.end) / 24 + 1))
            {
                // A range as long as the file could hold at most, so that damage cannot make offsets leap.
                at = next.position
                found = next.header
            }
            guard let found else { break }
            lost += Int(found.offset - end)
            reader.withPayload(of: found, at: at) { body(found, EventView(unchecked: $0)) }
            builder.note(offset: found.offset, base: header.base, position: at, appended: found.appended)
            if firstAppended == nil { firstAppended = found.appended }
            lastAppended = max(lastAppended, found.appended)
            records += 1
            at += found.span
            end = found.offset + 1
            position = at
        }
        index = builder.entries
    }
}
