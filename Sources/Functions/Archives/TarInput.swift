/// The bytes of a tar file, plain or out of gzip, in order and never all of them at once.
struct TarInput {
    private let bytes: [UInt8]
    /// `nil`: plain.
    private let inflater: Inflater?
    /// What of `bytes` has been used.
    private var position = 0
    private var chunk: ArraySlice<UInt8> = []
    private var isInMember = true
    private var budget: ArchiveBudget

    init(_ bytes: [UInt8], isPacked: Bool, limits: ArchiveLimits) throws(ArchiveError) {
        self.bytes = bytes
        inflater = isPacked ? try Inflater(.gzip) : nil
        budget = ArchiveBudget(limits, archiveSize: bytes.count)
        if !isPacked { chunk = bytes[...] }
    }

    /// The next bytes, at most `count`, at least one; empty at the end.
    mutating func next(_ count: Int) throws(ArchiveError) -> ArraySlice<UInt8> {
        while chunk.isEmpty, inflater != nil, try fill() {}
        let piece = chunk.prefix(count)
        chunk = chunk.dropFirst(piece.count)
        return piece
    }

    /// Exactly `count` bytes, or fewer when the input ends.
    mutating func read(_ count: Int) throws(ArchiveError) -> [UInt8] {
        var out: [UInt8] = []
        while out.count < count {
            let piece = try next(count - out.count)
            if piece.isEmpty { break }
            out.append(contentsOf: piece)
        }
        return out
    }

    /// Passes over `count` bytes; whether they were all there.
    mutating func skip(_ count: Int64) throws(ArchiveError) -> Bool {
        var left = count
        while left > 0 {
            let piece = try next(Int(min(left, 1 << 20)))
            if piece.isEmpty { return false }
            left -= Int64(piece.count)
        }
        return true
    }

    /// Reads to the end, so that the checksum of gzip is looked at.
    mutating func finish() throws(ArchiveError) {
        while try !next(1 << 20).isEmpty {}
    }

    /// Unpacks some more; `false` at the end.
    private mutating func fill() throws(ArchiveError) -> Bool {
        guard let inflater else { return false }
        if !isInMember {
            // Another member may follow (RFC 1952 §2.2); zeros are the padding of a tape or a device.
            guard position < bytes.count, bytes[position...].contains(where: { $0 != 0 }) else { return false }
            inflater.reset()
            isInMember = true
        }
        var out: [UInt8] = []
        guard let step = inflater.step(bytes[position...], into: &out) else {
            throw ArchiveError(.corrupt, "the archive is no gzip file, damaged or cut off")
        }
        position += step.consumed
        if step.isEnd { isInMember = false }
        try budget.produce(out.count)
        chunk = out[...]
        return true
    }
}
