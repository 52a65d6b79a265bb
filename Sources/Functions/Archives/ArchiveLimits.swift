/// What an archive may amount to; held while it is unpacked, since its headers can say anything.
package struct ArchiveLimits: Sendable, Hashable {
    package var entries = 10_000
    /// Folders within each other.
    package var depth = 32
    /// Bytes of one part of a path; more than 255 no file system takes.
    package var partLength = 255
    /// Bytes of a whole path.
    package var pathLength = 1024
    /// Bytes of all files together.
    package var totalSize: Int64 = 512 << 20
    /// How many times larger than the archive its files may be; counts beyond the first MiB.
    package var ratio: Int64 = 200

    package init() {}
}

/// Keeps count of what has come out.
struct ArchiveBudget {
    private let limits: ArchiveLimits
    private let archiveSize: Int64
    private var produced: Int64 = 0

    init(_ limits: ArchiveLimits, archiveSize: Int) {
        self.limits = limits
        self.archiveSize = Int64(archiveSize)
    }

    mutating func produce(_ count: Int) throws(ArchiveError) {
        produced += Int64(count)
        guard produced <= limits.totalSize else {
            throw ArchiveError(
                .tooLarge, "the archive's files are larger than \(limits.totalSize) bytes, which is all that is allowed"
            )
        }
        guard produced <= 1 << 20 || produced / limits.ratio <= archiveSize else {
            throw ArchiveError(
                .tooLarge,
                "the archive's files are more than \(limits.ratio) times larger than the archive: this looks like a bomb"
            )
        }
    }
}
