internal import Crypto
internal import Functions
internal import Glibc

/// The bytes of a layer's tar, in order and never all at once: from a file, unpacked if they are packed by gzip. Takes
/// their digest on the way.
struct LayerInput {
    private let file: Int32
    private let buffer: UnsafeMutableRawBufferPointer
    /// What has been read from the file and not been used.
    private var raw: [UInt8] = []
    private var rawPosition = 0
    private var hasEnded = false
    private var inflater: Inflater?
    private var isInMember = true
    private var chunk: ArraySlice<UInt8> = []
    private var hash = SHA256()

    /// - Parameter file: at its beginning; stays the caller's, as does the buffer.
    init(file: Int32, buffer: UnsafeMutableRawBufferPointer) throws(ContainerError) {
        self.file = file
        self.buffer = buffer
        try fillRaw()
        // By what it is, not by what its media type says: tools have mixed them up.
        if raw.starts(with: [0x1F, 0x8B]) {
            do throws(ArchiveError) {
                inflater = try Inflater(.gzip)
            } catch {
                throw ContainerError(.storage, error.message)
            }
        } else if raw.starts(with: [0x28, 0xB5, 0x2F, 0xFD]) {
            throw ContainerError(
                .invalidImage, "a layer is packed by zstd, which is not unpacked here: push the image with gzip")
        } else if raw.starts(with: [0x42, 0x5A, 0x68]) || raw.starts(with: [0xFD, 0x37, 0x7A, 0x58]) {
            throw ContainerError(
                .invalidImage, "a layer is packed by bzip2 or xz, which is not unpacked here: push the image with gzip")
        }
    }

    /// The next bytes, at most `count`, at least one; empty at the end.
    mutating func next(_ count: Int, _ budget: inout LayerBudget) throws(ContainerError) -> ArraySlice<UInt8> {
        while chunk.isEmpty {
            guard try fill() else { return [] }
            try budget.produce(chunk.count)
            hash.update(data: chunk)
        }
        let piece = chunk.prefix(count)
        chunk = chunk.dropFirst(piece.count)
        return piece
    }

    /// Exactly `count` bytes, or fewer at the end.
    mutating func read(_ count: Int, _ budget: inout LayerBudget) throws(ContainerError) -> [UInt8] {
        var out: [UInt8] = []
        while out.count < count {
            let piece = try next(count - out.count, &budget)
            if piece.isEmpty { break }
            out.append(contentsOf: piece)
        }
        return out
    }

    /// Passes over bytes; whether they were all there.
    mutating func skip(_ count: Int64, _ budget: inout LayerBudget) throws(ContainerError) -> Bool {
        var left = count
        while left > 0 {
            let piece = try next(Int(min(left, 1 << 20)), &budget)
            if piece.isEmpty { return false }
            left -= Int64(piece.count)
        }
        return true
    }

    /// Reads to the end; the digest of all bytes.
    mutating func finish(_ budget: inout LayerBudget) throws(ContainerError) -> String {
        while try !next(1 << 20, &budget).isEmpty {}
        return RegistryClient.hexadecimal(hash.finalize())
    }

    /// Gets some more into `chunk`; `false` at the end.
    private mutating func fill() throws(ContainerError) -> Bool {
        guard let inflater else {
            guard rawPosition < raw.count || !hasEnded else { return false }
            if rawPosition >= raw.count { try fillRaw() }
            chunk = raw[rawPosition...]
            rawPosition = raw.count
            return !chunk.isEmpty
        }
        if rawPosition >= raw.count, !hasEnded { try fillRaw() }
        if !isInMember {
            // Another member may follow (RFC 1952 §2.2): estargz and parallel packers write many.
            guard rawPosition < raw.count else { return false }
            inflater.reset()
            isInMember = true
        }
        var out: [UInt8] = []
        guard let step = inflater.step(raw[rawPosition...], into: &out, capacity: 256 << 10) else {
            throw ContainerError(.invalidImage, "a layer's gzip data are damaged or cut off")
        }
        rawPosition += step.consumed
        if step.isEnd { isInMember = false }
        chunk = out[...]
        return true
    }

    private mutating func fillRaw() throws(ContainerError) {
        while true {
            let count = Glibc.read(file, buffer.baseAddress, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw PartialBlob.failure("cannot read a layer") }
            raw = Array(buffer[..<count])
            rawPosition = 0
            hasEnded = count == 0
            return
        }
    }
}
