/// One segment file of a partition, as far as it is known without opening it.
struct Segment: Sendable {
    var header: SegmentHeader
    /// What is known of a sealed segment; `nil` for the one that is written to.
    var summary: SegmentSummary?

    var base: UInt64 { header.base }

    static let logSuffix = ".log"
    static let indexSuffix = ".index"
    static let identitySuffix = ".ids"

    /// `00000000000000000042`: names sort as offsets do.
    static func stem(_ base: UInt64) -> String {
        let digits = String(base)
        return String(repeating: "0", count: 20 - digits.count) + digits
    }

    /// The offset that a file's name says, if it is a file of a segment.
    static func base(ofFile name: String, suffix: String) -> UInt64? {
        guard name.hasSuffix(suffix), name.utf8.count == 20 + suffix.utf8.count else { return nil }
        return UInt64(name.dropLast(suffix.count))
    }
}

/// What all partitions of a channel share: where they are, what they write with.
struct PartitionEnvironment: Sendable {
    let fileSystem: any LogFileSystem
    let files: OpenFiles
    let scratch: ScratchBuffers
    let key: IdentityKey
    let salt: UInt32
    /// Whether identities are kept at all.
    let keepsIdentities: Bool
    /// The largest event that is taken, in bytes.
    let largestRecord: Int
    /// Tells the operator what was found and done.
    let report: @Sendable (String) -> Void

    func reader(_ file: any LogFile, end: Int, chunk: Int = 1 << 20) -> SegmentReader {
        SegmentReader(file: file, salt: salt, end: end, chunk: chunk)
    }
}
