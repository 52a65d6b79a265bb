/// The central directory of a zip file (PKWARE APPNOTE 6.3.10), read strictly: what two readers could understand
/// differently is refused.
struct ZipDirectory {
    struct Member {
        var entry: ArchiveEntry
        var rawName: ArraySlice<UInt8>
        var isDeflated: Bool
        var crc: UInt32
        var size: Int
        /// Where its packed bytes stand.
        var data: Range<Int>
    }

    private(set) var members: [Member] = []

    private struct Record {
        var flags = 0
        var method = 0
        var crc = 0
        var packedSize = 0
        var size = 0
        var rawName: ArraySlice<UInt8> = []
    }

    init(_ bytes: [UInt8], limits: ArchiveLimits) throws(ArchiveError) {
        let end = try Self.findEnd(bytes)
        var reader = ByteReader(bytes, at: end + 4)
        let disk = reader.number(2)
        let directoryDisk = reader.number(2)
        let entriesHere = reader.number(2)
        let entries = reader.number(2)
        let directorySize = reader.number(4)
        let directoryStart = reader.number(4)
        guard entries != 0xFFFF, directorySize != 0xFFFF_FFFF, directoryStart != 0xFFFF_FFFF,
            !Self.hasZip64Locator(bytes, end)
        else { throw Self.zip64 }
        guard disk == 0, directoryDisk == 0, entriesHere == entries else {
            throw ArchiveError(.unsupported, "the archive is one part of a zip file split into several; join them")
        }
        guard directoryStart + directorySize == end else {
            throw ArchiveError(.corrupt, "the zip file's directory is not where the file says: is it cut off?")
        }
        guard entries <= limits.entries else {
            throw ArchiveError(
                .tooLarge, "the archive holds more than \(limits.entries) entries, which is all that is allowed")
        }
        var listing = ArchiveListing(limits)
        reader = ByteReader(bytes, at: directoryStart)
        for _ in 0..<entries {
            if let member = try Self.member(&reader, end: end, directoryStart: directoryStart, &listing) {
                members.append(member)
            }
        }
        guard reader.position == end else {
            throw ArchiveError(.corrupt, "the zip file's directory holds more than the file says")
        }
        // Entries that share their packed bytes make a bomb without any great ratio in one of them.
        let ranges = members.map(\.data).filter { !$0.isEmpty }.sorted { $0.lowerBound < $1.lowerBound }
        for (a, b) in zip(ranges, ranges.dropFirst()) where a.upperBound > b.lowerBound {
            throw ArchiveError(.unsafe, "entries of the archive overlap: this looks like a bomb")
        }
    }

    private static var zip64: ArchiveError {
        ArchiveError(.unsupported, "the archive is a zip64 file, which is not read: use fewer or smaller files")
    }

    /// The end record is the last thing in the file: its comment ends with it.
    private static func findEnd(_ bytes: [UInt8]) throws(ArchiveError) -> Int {
        var position = bytes.count - 22
        let lowest = max(0, bytes.count - 22 - 0xFFFF)
        while position >= lowest {
            if bytes[position] == 0x50, bytes[position + 1] == 0x4B, bytes[position + 2] == 5, bytes[position + 3] == 6,
                Int(bytes[position + 20]) | Int(bytes[position + 21]) << 8 == bytes.count - position - 22
            {
                return position
            }
            position -= 1
        }
        throw ArchiveError(.corrupt, "the file is no zip archive, or it is cut off")
    }

    private static func hasZip64Locator(_ bytes: [UInt8], _ end: Int) -> Bool {
        end >= 20 && bytes[(end - 20)..<(end - 16)].elementsEqual([0x50, 0x4B, 6, 7])
    }

    private static func member(
        _ reader: inout ByteReader, end: Int, directoryStart: Int, _ listing: inout ArchiveListing
    ) throws(ArchiveError) -> Member? {
        let broken = ArchiveError(.corrupt, "the zip file's directory is damaged")
        guard reader.has(46, before: end), reader.number(4) == 0x0201_4B50 else { throw broken }
        let madeBy = reader.number(2)
        reader.skip(2)
        var record = Record()
        record.flags = reader.number(2)
        record.method = reader.number(2)
        reader.skip(4)
        record.crc = reader.number(4)
        record.packedSize = reader.number(4)
        record.size = reader.number(4)
        let nameLength = reader.number(2)
        let extraLength = reader.number(2)
        let commentLength = reader.number(2)
        let disk = reader.number(2)
        reader.skip(2)
        let attributes = reader.number(4)
        let start = reader.number(4)
        guard reader.has(nameLength + extraLength + commentLength, before: end) else { throw broken }
        record.rawName = reader.slice(nameLength)
        let name = record.rawName
        let extra = reader.slice(extraLength)
        reader.skip(commentLength)

        guard record.packedSize != 0xFFFF_FFFF, record.size != 0xFFFF_FFFF, start != 0xFFFF_FFFF, disk != 0xFFFF,
            !hasZip64(extra)
        else { throw zip64 }
        guard disk == 0 else {
            throw ArchiveError(.unsupported, entry: name, "lies in another part of a split zip file; join them")
        }
        // Bit 0: encrypted, 6: strong encryption, 13: masked headers (APPNOTE 4.4.4).
        guard record.flags & 0x2041 == 0 else {
            throw ArchiveError(.unsupported, entry: name, "is encrypted: pack it without a password")
        }
        guard record.method == 0 || record.method == 8 else {
            throw ArchiveError(
                .unsupported, entry: name,
                "is packed by method \(record.method): only \"store\" and \"deflate\" are read")
        }
        // The upper byte says whose attributes these are: 3 Unix, 19 Darwin (APPNOTE 4.4.2).
        let mode = [3, 19].contains(madeBy >> 8) ? attributes >> 16 : 0
        let isFolder = name.last == UInt8(ascii: "/")
        try checkKind(mode, isFolder: isFolder, name)
        let entry = try listing.add(rawName: name, isFolder: isFolder, isExecutable: mode & 0o111 != 0)
        let data = try local(reader.bytes, at: start, before: directoryStart, record)
        guard let entry else { return nil }
        guard !isFolder || record.size == 0 else {
            throw ArchiveError(.unsafe, entry: name, "is a folder that has content")
        }
        return Member(
            entry: entry, rawName: name, isDeflated: record.method == 8, crc: UInt32(record.crc), size: record.size,
            data: data)
    }

    private static func checkKind(_ mode: Int, isFolder: Bool, _ name: ArraySlice<UInt8>) throws(ArchiveError) {
        switch mode & 0o170000 {
        case 0: break
        case 0o100000 where !isFolder: break
        case 0o040000 where isFolder: break
        case 0o120000:
            throw ArchiveError(.unsafe, entry: name, "is a symbolic link: only files and folders are unpacked")
        case 0o100000, 0o040000: throw ArchiveError(.unsafe, entry: name, "is a file and a folder")
        default:
            throw ArchiveError(.unsafe, entry: name, "is a device, socket or pipe: only files and folders are unpacked")
        }
    }

    private static func hasZip64(_ extra: ArraySlice<UInt8>) -> Bool {
        var rest = extra
        while rest.count >= 4 {
            let at = rest.startIndex
            let id = Int(rest[at]) | Int(rest[at + 1]) << 8
            let length = Int(rest[at + 2]) | Int(rest[at + 3]) << 8
            if id == 1 { return true }
            rest = rest.dropFirst(4 + length)
        }
        return false
    }

    /// The local header must say what the directory says: a reader may go by either.
    private static func local(
        _ bytes: [UInt8], at start: Int, before end: Int, _ record: Record
    ) throws(ArchiveError) -> Range<Int> {
        let name = record.rawName
        var reader = ByteReader(bytes, at: start)
        guard reader.has(30, before: end), reader.number(4) == 0x0403_4B50 else {
            throw ArchiveError(.corrupt, entry: name, "is not where the zip file's directory says")
        }
        reader.skip(2)
        let flags = reader.number(2)
        let method = reader.number(2)
        reader.skip(4)
        let crc = reader.number(4)
        let packedSize = reader.number(4)
        let size = reader.number(4)
        let nameLength = reader.number(2)
        let extraLength = reader.number(2)
        guard reader.has(nameLength + extraLength + record.packedSize, before: end) else {
            throw ArchiveError(.corrupt, entry: name, "is cut off")
        }
        // Bit 3: sizes and checksum follow the data, and stand in the directory (APPNOTE 4.4.4).
        let isLater = flags & 8 != 0
        let sameSizes = crc == record.crc && packedSize == record.packedSize && size == record.size
        let noSizes = crc == 0 && packedSize == 0 && size == 0
        let localName = reader.slice(nameLength)
        guard localName.elementsEqual(name), flags & 0x2049 == record.flags & 0x2049, method == record.method,
            sameSizes || isLater && noSizes
        else {
            throw ArchiveError(.unsafe, entry: name, "is described differently in its header and in the directory")
        }
        reader.skip(extraLength)
        return reader.position..<(reader.position + record.packedSize)
    }
}
