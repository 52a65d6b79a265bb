internal import Functions

/// Reads the entries of a layer (OCI image specification, "Image Layer Filesystem Changeset"): tar as POSIX and GNU
/// write it, with whiteouts in their names.
struct LayerTar {
    private(set) var input: LayerInput
    var budget: LayerBudget
    private var headers = 0
    /// What of the last entry's content has not been read.
    private var left: Int64 = 0
    private var padding: Int64 = 0
    private var hasEnded = false

    private static let blockSize = 512
    private static let whiteout = Array(".wh.".utf8)
    private static let opaque = Array(".wh..wh..opq".utf8)

    init(_ input: LayerInput, _ budget: LayerBudget) {
        self.input = input
        self.budget = budget
    }

    /// What headers say about the entry that follows them.
    private struct Ahead {
        var name: [UInt8]?
        var link: [UInt8]?
        var size: Int64?
        var user: Int64?
        var group: Int64?
        var modified: Int64?

        var isEmpty: Bool {
            name == nil && link == nil && size == nil && user == nil && group == nil && modified == nil
        }
    }

    /// The next entry, `nil` at the end. What was not read of the one before is passed over.
    mutating func next() throws(ContainerError) -> LayerEntry? {
        guard !hasEnded else { return nil }
        try passContent()
        var ahead = Ahead()
        while true {
            let block = try input.read(Self.blockSize, &budget)
            // Some writers leave the end mark out.
            if block.isEmpty || block.allSatisfy({ $0 == 0 }) {
                guard ahead.isEmpty else { throw damaged("ends after the header of an entry") }
                hasEnded = true
                return nil
            }
            guard block.count == Self.blockSize else { throw damaged("is cut off in the middle of a header") }
            let header = try Self.header(block)
            headers += 1
            guard headers <= budget.limits.entries * 3 else {
                throw ContainerError(.tooLarge, "a layer holds more than \(budget.limits.entries * 3) headers")
            }
            switch header.kind {
            case UInt8(ascii: "x"): try Self.readPax(try content(header.size), into: &ahead)
            case UInt8(ascii: "g"):
                // Git's commit id and the like: nothing that matters, and a name or size for all would be a trick.
                var all = Ahead()
                try Self.readPax(try content(header.size), into: &all)
                guard all.name == nil, all.link == nil, all.size == nil else {
                    throw damaged("sets one name or size for all entries")
                }
            case UInt8(ascii: "L"): ahead.name = Array(try content(header.size).prefix { $0 != 0 })
            case UInt8(ascii: "K"): ahead.link = Array(try content(header.size).prefix { $0 != 0 })
            default:
                try budget.entry()
                return try entry(header, ahead)
            }
        }
    }

    /// Some of the current entry's content; empty at its end.
    mutating func read() throws(ContainerError) -> ArraySlice<UInt8> {
        guard left > 0 else { return [] }
        let piece = try input.next(Int(min(left, 256 << 10)), &budget)
        guard !piece.isEmpty else { throw damaged("is cut off in the middle of a file") }
        left -= Int64(piece.count)
        return piece
    }

    /// Reads to the end of the data; their digest.
    mutating func finish() throws(ContainerError) -> String { try input.finish(&budget) }

    // MARK: Headers

    private struct Header {
        var name: [UInt8]
        var link: [UInt8]
        var kind: UInt8
        var size: Int64
        var mode: Int64
        var user: Int64
        var group: Int64
        var modified: Int64
    }

    private static func header(_ block: [UInt8]) throws(ContainerError) -> Header {
        func field(_ range: Range<Int>) -> [UInt8] { Array(block[range].prefix { $0 != 0 }) }
        var sum: Int64 = 0
        for (index, byte) in block.enumerated() { sum += (148..<156).contains(index) ? 0x20 : Int64(byte) }
        guard let stored = TarHeader.number(block[148..<156]), stored == sum else {
            throw ContainerError(.invalidImage, "a layer is no tar archive, or damaged: a header's checksum is wrong")
        }
        func number(_ range: Range<Int>) -> Int64? { TarHeader.number(block[range]) }
        guard let size = number(124..<136), size >= 0, let mode = number(100..<108) else {
            throw ContainerError(.invalidImage, "a layer's entry has a damaged header")
        }
        var name = field(0..<100)
        let prefix = field(345..<500)
        if block[257..<263].elementsEqual("ustar\0".utf8), !prefix.isEmpty { name = prefix + [0x2F] + name }
        // A time before 1970 is written in a form that is not read; it is of no consequence.
        return Header(
            name: name, link: field(157..<257), kind: block[156], size: size, mode: mode, user: number(108..<116) ?? 0,
            group: number(116..<124) ?? 0, modified: number(136..<148) ?? 0)
    }

    private mutating func entry(_ header: Header, _ ahead: Ahead) throws(ContainerError) -> LayerEntry {
        let name = ahead.name ?? header.name
        let link = ahead.link ?? header.link
        let isFile = header.kind == 0x30 || header.kind == 0 || header.kind == 0x37
        let size = ahead.size ?? header.size
        guard size >= 0 else { throw damaged("holds a file of negative size") }
        left = isFile ? size : 0
        // What is no file has no content, whatever its header says; but it may have been written.
        padding =
            isFile ? Self.padding(size) : (header.kind == 0x31 || header.kind == 0x32 ? 0 : size + Self.padding(size))
        var entry = LayerEntry(
            path: try LayerPath(name, budget.limits), kind: .ignored,
            mode: UInt32(truncatingIfNeeded: header.mode) & 0o7777,
            user: ahead.user ?? header.user, group: ahead.group ?? header.group,
            modified: ahead.modified ?? header.modified)
        switch header.kind {
        case _ where isFile && name.last == 0x2F: entry.kind = .folder
        case _ where isFile: entry.kind = .file(size: size)
        case 0x35: entry.kind = .folder
        case 0x32:
            guard !link.isEmpty, link.count <= budget.limits.pathLength, !link.contains(0) else {
                throw ContainerError(.invalidImage, "the link \"\(entry.path.shown)\" of a layer leads to nothing")
            }
            entry.kind = .link(target: link)
        case 0x31: entry.kind = .hardLink(to: try LayerPath(link, budget.limits))
        case 0x33, 0x34, 0x36: entry.kind = .ignored
        case 0x53: throw ContainerError(.invalidImage, "a layer holds a sparse file: pack it without --sparse")
        default:
            throw ContainerError(
                .invalidImage, "a layer's entry \"\(entry.path.shown)\" is of no known kind (\(header.kind))")
        }
        try Self.readWhiteout(&entry)
        return entry
    }

    private static func readWhiteout(_ entry: inout LayerEntry) throws(ContainerError) {
        let name = entry.path.name
        // A whiteout above a name hides everything below: entries under it contradict themselves.
        guard !entry.path.above.parts.contains(where: { $0.starts(with: whiteout) }) else {
            throw ContainerError(.invalidImage, "the entry \"\(entry.path.shown)\" lies below a whiteout")
        }
        guard name.starts(with: whiteout) else { return }
        if name == opaque {
            entry.kind = .opaque
            entry.path = entry.path.above
            return
        }
        let hidden = Array(name.dropFirst(whiteout.count))
        // Marks of AUFS (.wh..wh.aufs, .wh..wh.plnk), and what would name a folder itself.
        if hidden.starts(with: whiteout) || hidden.isEmpty || hidden == [0x2E] || hidden == [0x2E, 0x2E] {
            entry.kind = .ignored
            return
        }
        entry.kind = .whiteout
        entry.path = LayerPath(parts: entry.path.above.parts + [hidden])
    }

    private mutating func passContent() throws(ContainerError) {
        guard try input.skip(left + padding, &budget) else { throw damaged("is cut off in the middle of a file") }
        left = 0
        padding = 0
    }

    private static func padding(_ size: Int64) -> Int64 {
        (Int64(blockSize) - size % Int64(blockSize)) % Int64(blockSize)
    }

    /// The content of a header that speaks about the next entry.
    private mutating func content(_ size: Int64) throws(ContainerError) -> [UInt8] {
        guard size <= 1 << 20 else { throw ContainerError(.tooLarge, "a layer has a header of \(size) bytes") }
        let bytes = try input.read(Int(size), &budget)
        guard bytes.count == Int(size), try input.skip(Self.padding(size), &budget) else {
            throw damaged("is cut off in the middle of a header")
        }
        return bytes
    }

    /// Records `length key=value\n` (POSIX.1-2017, "pax Extended Header"). Extended attributes are left out: what they
    /// grant is not granted here, and overlayfs would believe its own.
    private static func readPax(_ bytes: [UInt8], into ahead: inout Ahead) throws(ContainerError) {
        let damaged = ContainerError(.invalidImage, "a layer's entry has a damaged pax header")
        var rest = bytes[...]
        while !rest.isEmpty {
            let digits = rest.prefix { (0x30...0x39).contains($0) }
            guard digits.count <= 7, let length = Int(String(decoding: digits, as: UTF8.self)), length <= rest.count,
                length > digits.count + 1, rest[rest.startIndex + digits.count] == 0x20
            else { throw damaged }
            let record = rest.prefix(length).dropFirst(digits.count + 1)
            rest = rest.dropFirst(length)
            guard record.last == 0x0A, let equals = record.firstIndex(of: 0x3D) else { throw damaged }
            let value = record[(equals + 1)...].dropLast()
            let text = String(decoding: value, as: UTF8.self)
            switch String(decoding: record[..<equals], as: UTF8.self) {
            case "path": ahead.name = Array(value)
            case "linkpath": ahead.link = Array(value)
            case "size":
                guard let size = Int64(text), size >= 0 else { throw damaged }
                ahead.size = size
            case "uid": ahead.user = Int64(text)
            case "gid": ahead.group = Int64(text)
            // With a fraction, and perhaps negative.
            case "mtime": ahead.modified = Int64(text.prefix { $0 != "." })
            case let key where key.hasPrefix("GNU.sparse"):
                throw ContainerError(.invalidImage, "a layer holds a sparse file: pack it without --sparse")
            default: break
            }
        }
    }

    private func damaged(_ what: String) -> ContainerError {
        ContainerError(.invalidImage, "a layer's tar archive \(what)")
    }
}
