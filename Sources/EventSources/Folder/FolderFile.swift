/// What is remembered of a file or directory of a watched folder.
package struct FolderFile: Sendable, Hashable {
    package var isDirectory: Bool
    package var inode: UInt64
    package var size: Int64
    package var modified: Int64
    package var changed: Int64

    package init(_ facts: FileFacts) {
        isDirectory = facts.kind == .directory
        inode = facts.inode
        size = isDirectory ? 0 : facts.size
        modified = isDirectory ? 0 : facts.modified
        changed = isDirectory ? 0 : facts.changed
    }

    /// Whether the content is the same version. `ctime` is left out: permissions are no version.
    package func sameVersion(as other: FolderFile) -> Bool {
        isDirectory == other.isDirectory && inode == other.inode && size == other.size
            && modified == other.modified
    }
}

extension FolderFile {
    /// `version, kind, inode, size, mtime, ctime`, little-endian.
    package var encoded: [UInt8] {
        var bytes: [UInt8] = [1, isDirectory ? 1 : 0]
        for number in [Int64(bitPattern: inode), size, modified, changed] {
            withUnsafeBytes(of: number.littleEndian) { bytes += $0 }
        }
        return bytes
    }

    package init?(encoded bytes: [UInt8]) {
        guard bytes.count == 34, bytes[0] == 1 else { return nil }
        func number(_ index: Int) -> Int64 {
            bytes.withUnsafeBytes {
                Int64(littleEndian: $0.loadUnaligned(fromByteOffset: 2 + index * 8, as: Int64.self))
            }
        }
        isDirectory = bytes[1] == 1
        inode = UInt64(bitPattern: number(0))
        size = number(1)
        modified = number(2)
        changed = number(3)
    }
}

/// What has been announced of a watched folder.
package typealias FolderIndex = PathIndex<FolderFile>
