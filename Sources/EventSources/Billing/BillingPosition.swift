import CloudEvents

/// How far one billing file has been read: enough to find the same place again after a restart, a rename, a copy, or
/// when another file has taken the name.
package struct BillingPosition: Sendable, Hashable {
    /// How many bytes at the beginning identify the file, beside its inode. More than dCache's header lines, which are
    /// the same every day.
    package static let headLength = 4096
    /// How many bytes before the position are compared each time the file is read on.
    package static let tailLength = 64

    package var inode: UInt64
    /// Everything before has been acknowledged by the channel; always behind a line's end.
    package var offset: Int64
    /// The length when it was last looked at.
    package var size: Int64
    /// The hash of the first `headCount` bytes.
    package var head: String
    package var headCount: Int
    /// The last bytes before `offset`.
    package var tail: [UInt8]
    /// What the decoder carries from line to line: formats in force, an unfinished record.
    package var decoder: [UInt8]
    /// The packed companion holds nothing more.
    package var packedDone: Bool

    package init(inode: UInt64) {
        self.inode = inode
        offset = 0
        size = 0
        head = ""
        headCount = 0
        tail = []
        decoder = []
        packedDone = false
    }

    /// What a look at the file of this name says.
    package enum Verdict: Sendable, Hashable {
        /// It is the same and has nothing new.
        case unchanged
        /// It is the same and has grown.
        case grown
        /// It is shorter than what has been read of it: truncated in place.
        case truncated
        /// It is another file.
        case replaced
    }

    /// Judges by length and inode alone; contents are compared when it is read.
    package func judge(_ facts: FileFacts) -> Verdict {
        if facts.inode != inode { return .replaced }
        if facts.size < offset { return .truncated }
        return facts.size > offset ? .grown : .unchanged
    }

    /// Moves on over bytes that have been taken.
    ///
    /// - Parameter taken: the bytes from `offset` on.
    package mutating func advance(over taken: ArraySlice<UInt8>, head: inout [UInt8]) {
        if head.count < Self.headLength {
            head += taken.prefix(Self.headLength - head.count)
            self.head = Self.fingerprint(head)
            headCount = head.count
        }
        offset += Int64(taken.count)
        tail = Array((tail + taken.suffix(Self.tailLength)).suffix(Self.tailLength))
    }

    package static func fingerprint(_ bytes: some Sequence<UInt8>) -> String {
        var hash = StableHash()
        hash.add(bytes)
        return hash.hex
    }
}

extension BillingPosition {
    package var encoded: [UInt8] {
        let object: JSONValue = [
            "version": 1, "inode": .string(String(inode)), "offset": .integer(offset), "size": .integer(size),
            "head": .string(head), "headCount": .integer(Int64(headCount)), "tail": .string(Base64.encode(tail)),
            "decoder": .string(Base64.encode(decoder)), "packedDone": .bool(packedDone),
        ]
        return object.encoded()
    }

    package init?(encoded bytes: [UInt8]) {
        guard let object = try? JSONValue(parsing: bytes), object["version"]?.integer == 1,
            let inode = object["inode"]?.string.flatMap({ UInt64($0) }), let offset = object["offset"]?.integer,
            let size = object["size"]?.integer, let head = object["head"]?.string,
            let headCount = object["headCount"]?.integer,
            let tail = object["tail"]?.string.flatMap({ Base64.decode($0.utf8) }),
            let decoder = object["decoder"]?.string.flatMap({ Base64.decode($0.utf8) }),
            let packedDone = object["packedDone"]?.bool
        else { return nil }
        self.init(inode: inode)
        (self.offset, self.size, self.head, self.headCount) = (offset, size, head, Int(headCount))
        (self.tail, self.decoder, self.packedDone) = (tail, decoder, packedDone)
    }
}
