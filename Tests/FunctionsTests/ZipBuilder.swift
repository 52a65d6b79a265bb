import CZlib

@testable import Functions

/// Writes zip files, sound and unsound ones.
struct ZipBuilder {
    struct Member {
        var name: [UInt8]
        var content: [UInt8]
        var mode = 0o100644
        var deflate = false
        var flags = 0
        var method: Int?
        var madeBy = 3 << 8 | 20
        var extra: [UInt8] = []
        var localName: [UInt8]?
        var crc: UInt32?
        /// In directory and header.
        var size: Int?
        /// Header's fields zero, as behind a data descriptor.
        var isLater = false
        /// The packed bytes themselves, in place of the content.
        var packed: [UInt8]?
        /// The directory's idea of where the header stands.
        var start: Int?

        init(_ name: String, _ content: String = "") {
            self.name = Array(name.utf8)
            self.content = Array(content.utf8)
        }
    }

    var members: [Member] = []
    var comment: [UInt8] = []
    var disk = 0
    var entryCount: Int?
    var before: [UInt8] = []

    init(_ members: [Member] = []) {
        self.members = members
    }

    func build() -> [UInt8] {
        var out: [UInt8] = before
        var directory: [UInt8] = []
        for member in members {
            let method = member.method ?? (member.deflate ? 8 : 0)
            let packed = member.packed ?? (member.deflate ? Self.deflate(member.content) : member.content)
            var sum = CRC32()
            sum.add(member.content[...])
            let crc = Int(member.crc ?? sum.value)
            let size = member.size ?? member.content.count
            let start = member.start ?? out.count
            let localName = member.localName ?? member.name
            let flags = member.flags | (member.isLater ? 8 : 0)
            let sums = [crc, packed.count, size]
            out += le(0x0403_4B50, 4) + le(20, 2) + le(flags, 2) + le(method, 2) + le(0, 4)
            for sum in sums { out += le(member.isLater ? 0 : sum, 4) }
            out += le(localName.count, 2) + le(0, 2) + localName + packed
            if member.isLater { out += le(0x0807_4B50, 4) + sums.flatMap { le($0, 4) } }
            directory += le(0x0201_4B50, 4) + le(member.madeBy, 2) + le(20, 2) + le(flags, 2) + le(method, 2) + le(0, 4)
            for sum in sums { directory += le(sum, 4) }
            directory += le(member.name.count, 2) + le(member.extra.count, 2) + le(0, 2) + le(0, 2) + le(0, 2)
            directory += le(member.mode << 16, 4) + le(start, 4) + member.name + member.extra
        }
        let count = entryCount ?? members.count
        let start = out.count
        out += directory + le(0x0605_4B50, 4) + le(disk, 2) + le(disk, 2) + le(count, 2) + le(count, 2)
        out += le(directory.count, 4) + le(start, 4) + le(comment.count, 2) + comment
        return out
    }

    private func le(_ value: Int, _ size: Int) -> [UInt8] {
        (0..<size).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }

    /// Bare deflate: zlib's stream without its two bytes in front and four behind.
    static func deflate(_ bytes: [UInt8]) -> [UInt8] {
        var length = compressBound(UInt(bytes.count))
        let packed = [UInt8](unsafeUninitializedCapacity: Int(length)) { buffer, count in
            _ = compress2(buffer.baseAddress, &length, bytes, UInt(bytes.count), 9)
            count = Int(length)
        }
        return Array(packed.dropFirst(2).dropLast(4))
    }

    static func gzip(_ bytes: [UInt8]) -> [UInt8] {
        var sum = CRC32()
        sum.add(bytes[...])
        let trailer = [Int(sum.value), bytes.count].flatMap { value in
            (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
        }
        return [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3] + deflate(bytes) + trailer
    }
}
