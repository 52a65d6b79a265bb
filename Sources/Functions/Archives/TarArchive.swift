/// A tar file in memory, plain or packed by gzip: ustar, pax and GNU.
struct TarArchive {
    private let bytes: [UInt8]
    private let isPacked: Bool
    private let limits: ArchiveLimits
    let entries: [ArchiveEntry]

    /// Reads through all headers and judges them; nothing is unpacked to anywhere.
    init(_ bytes: [UInt8], isPacked: Bool, limits: ArchiveLimits) throws(ArchiveError) {
        self.bytes = bytes
        self.isPacked = isPacked
        self.limits = limits
        var sink = NoSink()
        entries = try Self.walk(bytes, isPacked: isPacked, limits: limits, into: &sink)
    }

    func extract(into sink: inout some ArchiveSink) throws(ArchiveError) {
        _ = try Self.walk(bytes, isPacked: isPacked, limits: limits, into: &sink)
    }

    /// What a pax header or GNU's long name says about the next entry.
    private struct Ahead {
        var name: [UInt8]?
        var size: Int64?
    }

    private static func walk(
        _ bytes: [UInt8], isPacked: Bool, limits: ArchiveLimits, into sink: inout some ArchiveSink
    ) throws(ArchiveError) -> [ArchiveEntry] {
        var input = try TarInput(bytes, isPacked: isPacked, limits: limits)
        var listing = ArchiveListing(limits)
        var budget = ArchiveBudget(limits, archiveSize: bytes.count)
        var ahead = Ahead()
        var headers = 0
        while true {
            let block = try input.read(TarHeader.blockSize)
            guard !block.isEmpty else {
                throw ArchiveError(
                    .corrupt,
                    headers == 0 ? "the tar file is empty" : "the tar file has no end mark: is it cut off?")
            }
            if block.allSatisfy({ $0 == 0 }) { break }
            var header = try TarHeader(block)
            headers += 1
            // Long names and pax headers are no entries, but cost as much.
            guard headers <= limits.entries * 3 else {
                throw ArchiveError(
                    .tooLarge, "the archive holds more than \(limits.entries) entries, which is all that is allowed")
            }
            if let name = ahead.name { header.name = name }
            switch header.kind {
            case UInt8(ascii: "x"):
                try readPax(try content(of: header, &input), into: &ahead, header.name)
            case UInt8(ascii: "g"):
                // Applies to all that follow; nothing in it matters here, and a name in it would be a trick.
                var global = Ahead()
                try readPax(try content(of: header, &input), into: &global, header.name)
                guard global.name == nil, global.size == nil else {
                    throw ArchiveError(.unsafe, entry: header.name, "sets one name or size for all entries")
                }
            case UInt8(ascii: "L"):
                ahead.name = Array(try content(of: header, &input).prefix { $0 != 0 })
            case UInt8(ascii: "K"):
                _ = try content(of: header, &input)
            default:
                if let size = ahead.size { header.size = size }
                ahead = Ahead()
                try entry(header, &input, &listing, &budget, into: &sink)
            }
        }
        guard ahead.name == nil, ahead.size == nil else {
            throw ArchiveError(.corrupt, "the tar file ends after the header of an entry: is it cut off?")
        }
        try input.finish()
        return listing.entries
    }

    private static func entry(
        _ header: TarHeader, _ input: inout TarInput, _ listing: inout ArchiveListing, _ budget: inout ArchiveBudget,
        into sink: inout some ArchiveSink
    ) throws(ArchiveError) {
        // Old tars mark a folder by the slash alone.
        let endsInSlash = header.name.last == UInt8(ascii: "/")
        let isFolder: Bool
        switch header.kind {
        case UInt8(ascii: "0"), 0, UInt8(ascii: "7"): isFolder = endsInSlash
        case UInt8(ascii: "5"): isFolder = true
        default: throw ArchiveError(refusal(header.kind).0, entry: header.name, refusal(header.kind).1)
        }
        guard
            let entry = try listing.add(
                rawName: header.name, isFolder: isFolder, isExecutable: header.mode & 0o111 != 0)
        else {
            guard header.size == 0 else {
                throw ArchiveError(.unsafe, entry: header.name, "is a folder that has content")
            }
            return
        }
        guard !isFolder else {
            guard header.size == 0 else {
                throw ArchiveError(.unsafe, entry: header.name, "is a folder that has content")
            }
            try sink.folder(entry.path)
            return
        }
        try sink.begin(entry)
        var left = header.size
        while left > 0 {
            let piece = try input.next(Int(min(left, 64 << 10)))
            guard !piece.isEmpty else { throw ArchiveError(.corrupt, entry: header.name, "is cut off") }
            left -= Int64(piece.count)
            try budget.produce(piece.count)
            try sink.write(piece)
        }
        try sink.end()
        guard try input.skip(padding(header.size)) else {
            throw ArchiveError(.corrupt, entry: header.name, "is cut off")
        }
    }

    private static func refusal(_ kind: UInt8) -> (ArchiveError.Code, String) {
        switch kind {
        case UInt8(ascii: "1"): (.unsafe, "is a hard link: only files and folders are unpacked")
        case UInt8(ascii: "2"): (.unsafe, "is a symbolic link: only files and folders are unpacked")
        case UInt8(ascii: "3"), UInt8(ascii: "4"): (.unsafe, "is a device: only files and folders are unpacked")
        case UInt8(ascii: "6"): (.unsafe, "is a pipe: only files and folders are unpacked")
        case UInt8(ascii: "S"): (.unsupported, "is a sparse file: pack it without --sparse")
        case UInt8(ascii: "M"), UInt8(ascii: "V"): (.unsupported, "belongs to an archive of several volumes; join them")
        default: (.unsupported, "is of a kind that is not known (\(kind))")
        }
    }

    private static func padding(_ size: Int64) -> Int64 {
        (Int64(TarHeader.blockSize) - size % Int64(TarHeader.blockSize)) % Int64(TarHeader.blockSize)
    }

    /// The content of a header that speaks about the next entry.
    private static func content(of header: TarHeader, _ input: inout TarInput) throws(ArchiveError) -> [UInt8] {
        guard header.size <= 64 << 10 else {
            throw ArchiveError(.tooLarge, entry: header.name, "has a header of more than 64 KiB")
        }
        let bytes = try input.read(Int(header.size))
        guard bytes.count == Int(header.size), try input.skip(padding(header.size)) else {
            throw ArchiveError(.corrupt, entry: header.name, "is cut off")
        }
        return bytes
    }

    /// Records `length key=value\n` (pax, "pax Extended Header").
    private static func readPax(_ bytes: [UInt8], into ahead: inout Ahead, _ name: [UInt8]) throws(ArchiveError) {
        let damaged = ArchiveError(.corrupt, entry: name, "has a damaged pax header")
        var rest = bytes[...]
        while !rest.isEmpty {
            let digits = rest.prefix { (0x30...0x39).contains($0) }
            guard digits.count <= 6, let length = Int(String(decoding: digits, as: UTF8.self)), length <= rest.count,
                length > digits.count + 1, rest[rest.startIndex + digits.count] == 0x20
            else { throw damaged }
            let record = rest.prefix(length).dropFirst(digits.count + 1)
            rest = rest.dropFirst(length)
            guard record.last == 0x0A, let equals = record.firstIndex(of: UInt8(ascii: "=")) else { throw damaged }
            let key = String(decoding: record[..<equals], as: UTF8.self)
            let value = record[(equals + 1)...].dropLast()
            switch key {
            case "path": ahead.name = Array(value)
            case "size":
                guard let size = Int64(String(decoding: value, as: UTF8.self)), size >= 0 else { throw damaged }
                ahead.size = size
            case let key where key.hasPrefix("GNU.sparse"):
                throw ArchiveError(.unsupported, entry: name, "is a sparse file: pack it without --sparse")
            default: break
            }
        }
    }

    private struct NoSink: ArchiveSink {
        func folder(_ path: String) {}
        func begin(_ entry: ArchiveEntry) {}
        func write(_ bytes: ArraySlice<UInt8>) {}
        func end() {}
    }
}
