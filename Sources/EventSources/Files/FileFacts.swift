/// What the file system says about one path.
package struct FileFacts: Sendable, Hashable {
    package enum Kind: UInt8, Sendable { case file = 0, directory, other }

    package var kind: Kind
    package var device: UInt64
    package var inode: UInt64
    package var size: Int64
    /// Nanoseconds since 1970.
    package var modified: Int64
    /// When anything about the inode changed last; nanoseconds since 1970.
    package var changed: Int64
    package var mode: UInt32
    package var owner: UInt32
    package var group: UInt32
    package var links: UInt64

    package init(
        kind: Kind, device: UInt64 = 0, inode: UInt64, size: Int64, modified: Int64, changed: Int64, mode: UInt32 = 0,
        owner: UInt32 = 0, group: UInt32 = 0, links: UInt64 = 1
    ) {
        self.kind = kind
        self.device = device
        self.inode = inode
        self.size = size
        self.modified = modified
        self.changed = changed
        self.mode = mode
        self.owner = owner
        self.group = group
        self.links = links
    }
}
