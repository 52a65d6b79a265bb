/// An archive of code as it was uploaded.
package enum Archive {
    package enum Format: Sendable, Hashable {
        case zip, tar, tarGzip

        /// By the file's name; `nil`: no archive, the file itself is the code.
        package init?(filename: String) {
            let name = filename.lowercased()
            if name.hasSuffix(".zip") {
                self = .zip
            } else if name.hasSuffix(".tar.gz") || name.hasSuffix(".tgz") {
                self = .tarGzip
            } else if name.hasSuffix(".tar") {
                self = .tar
            } else {
                return nil
            }
        }
    }

    /// Reads the list first, judging every name, and only then unpacks, holding the limits against what really comes
    /// out.
    ///
    /// - Returns: the entries, in the archive's order.
    package static func extract(
        _ bytes: [UInt8], _ format: Format, limits: ArchiveLimits = ArchiveLimits(), into sink: inout some ArchiveSink
    ) throws(ArchiveError) -> [ArchiveEntry] {
        switch format {
        case .zip:
            let archive = try ZipArchive(bytes, limits: limits)
            try archive.extract(into: &sink)
            return archive.entries
        case .tar, .tarGzip:
            let archive = try TarArchive(bytes, isPacked: format == .tarGzip, limits: limits)
            try archive.extract(into: &sink)
            return archive.entries
        }
    }
}
