/// Records read together by one `pread`, checked, in the buffer that readers will look into.
struct Chunk {
    private(set) var storage: [UInt8] = []
    private(set) var entries: [RecordBatch.Entry] = []
    /// The position behind the last record.
    private(set) var end: Int

    /// Reads records of consecutive offsets until the limit is reached, the bytes end or a record is damaged.
    ///
    /// - Parameters:
    ///   - position: where the first record lies.
    ///   - end: where the segment's bytes end.
    ///   - offset: the offset of the first record.
    ///   - below: offsets from here on belong to the next segment.
    init(
        _ file: any LogFile, salt: UInt32, from position: Int, end limitPosition: Int, offset: UInt64,
        below: UInt64, limit: ReadLimit
    ) throws(SystemError) {
        end = position
        let available = limitPosition - position
        // One record is always looked for, and what crosses the soft limit is still returned.
        var want = min(available, max(limit.bytes, 1) + (64 << 10), max(limit.records, 1) * (4 << 10))
        while true {
            storage = try file.bytes(at: position, count: want)
            let needed = parse(
                salt: salt, position: position, offset: offset, below: below, limit: limit)
            guard entries.isEmpty, let needed, needed <= available, storage.count == want else { return }
            want = needed
        }
    }

    /// - Returns: the bytes that the first record takes when they are more than there are here.
    private mutating func parse(
        salt: UInt32, position: Int, offset: UInt64, below: UInt64, limit: ReadLimit
    ) -> Int? {
        var expected = offset
        var at = 0
        var payload = 0
        var needed: Int?
        var found: [RecordBatch.Entry] = []
        found.reserveCapacity(min(limit.records, storage.count / 256 + 1))
        let most = max(1, limit.records)
        storage.withUnsafeBytes { bytes in
            while found.count < most, found.isEmpty || payload < limit.bytes, expected < below,
                at + RecordFrame.headerLength <= bytes.count
            {
                let header = RecordFrame.Header(bytes, at: at)
                guard header.length <= RecordFrame.largestPayload, header.offset == expected else { break }
                guard at + header.span <= bytes.count else {
                    needed = header.span
                    break
                }
                guard RecordFrame.isIntact(header, in: bytes, at: at, salt: salt) else { break }
                found.append(
                    .init(
                        offset: expected, appended: header.appended, start: at + RecordFrame.headerLength,
                        count: header.length))
                payload += header.length
                at += header.span
                expected += 1
            }
        }
        entries = found
        end = position + at
        return found.isEmpty ? needed : nil
    }
}
