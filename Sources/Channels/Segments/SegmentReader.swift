/// Walks over the records of one segment file through a buffer.
///
/// For recovery, for finding a place and for going on behind damage; a channel's reads parse their own buffer.
struct SegmentReader {
    /// What lies at a position.
    enum Finding {
        case record(RecordFrame.Header)
        /// The bytes end before the record would.
        case cutOff
        case damaged
    }

    let file: any LogFile
    let salt: UInt32
    /// Where the readable bytes end.
    let end: Int
    private let chunk: Int
    private var buffer: [UInt8] = []
    private var start = 0

    /// - Parameter chunk: how much is read at a time, in bytes.
    init(file: any LogFile, salt: UInt32, end: Int, chunk: Int = 1 << 20) {
        self.file = file
        self.salt = salt
        self.end = end
        self.chunk = chunk
    }

    /// Makes `count` bytes at `position` resident; whether the file has them.
    private mutating func fill(_ position: Int, _ count: Int) throws(SystemError) -> Bool {
        if position >= start, position + count <= start + buffer.count { return true }
        guard position + count <= end else { return false }
        buffer = try file.bytes(at: position, count: min(max(count, chunk), end - position))
        start = position
        return buffer.count >= count
    }

    /// The header at a position, its fields plausible but its checksum not looked at.
    mutating func header(at position: Int) throws(SystemError) -> RecordFrame.Header? {
        guard try fill(position, RecordFrame.headerLength) else { return nil }
        let header = buffer.withUnsafeBytes { RecordFrame.Header($0, at: position - start) }
        return header.length <= RecordFrame.largestPayload && position + header.span <= end ? header : nil
    }

    /// Looks at what lies at a position.
    mutating func finding(at position: Int) throws(SystemError) -> Finding {
        guard try fill(position, RecordFrame.headerLength) else { return .cutOff }
        let header = buffer.withUnsafeBytes { RecordFrame.Header($0, at: position - start) }
        guard header.length <= RecordFrame.largestPayload else { return .damaged }
        guard try fill(position, header.span) else { return .cutOff }
        let salt = salt
        let intact = buffer.withUnsafeBytes {
            RecordFrame.isIntact(header, in: $0, at: position - start, salt: salt)
        }
        return intact ? .record(header) : .damaged
    }

    /// Runs `body` on the payload of the record that ``finding(at:)`` found last.
    func withPayload<Result>(
        of header: RecordFrame.Header, at position: Int, _ body: (UnsafeRawBufferPointer) -> Result
    ) -> Result {
        let first = position - start + RecordFrame.headerLength
        return buffer.withUnsafeBytes {
            body(UnsafeRawBufferPointer(rebasing: $0[first..<(first + header.length)]))
        }
    }

    /// The first intact record at or after a position whose offset lies in a range: where the log goes on behind
    /// damage. Offsets count up, so nearly every position is ruled out by one comparison.
    mutating func resynchronise(
        from position: Int, offsets: Range<UInt64>
    ) throws(SystemError) -> (position: Int, header: RecordFrame.Header)? {
        var position = position
        while position + RecordFrame.headerLength <= end {
            guard try fill(position, RecordFrame.headerLength) else { return nil }
            let from = position - start
            let candidate: Int? = buffer.withUnsafeBytes { bytes in
                var index = from
                while index + RecordFrame.headerLength <= bytes.count {
                    let offset = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: index + 8, as: UInt64.self))
                    if offsets.contains(offset) { return index }
                    index += 1
                }
                return nil
            }
            guard let candidate else {
                position = start + buffer.count - RecordFrame.headerLength + 1
                continue
            }
            position = start + candidate
            if case .record(let header) = try finding(at: position) { return (position, header) }
            position += 1
        }
        return nil
    }
}
