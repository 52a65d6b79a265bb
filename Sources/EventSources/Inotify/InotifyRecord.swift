/// What the kernel said about one name in a watched directory (inotify(7)).
package struct InotifyRecord: Sendable, Hashable {
    package var watch: Int32
    package var mask: InotifyMask
    /// Joins the two halves of a rename; 0 otherwise.
    package var cookie: UInt32
    /// The name's bytes without padding; empty when the watched directory itself is meant.
    package var name: [UInt8]

    package init(watch: Int32, mask: InotifyMask, cookie: UInt32 = 0, name: [UInt8] = []) {
        self.watch = watch
        self.mask = mask
        self.cookie = cookie
        self.name = name
    }

    /// Takes a read(2) of an inotify descriptor apart: `i32 wd, u32 mask, u32 cookie, u32 len, name[len]`, the name
    /// padded with NUL, native byte order. A torn tail (which the kernel never makes) is dropped.
    package static func parse(_ bytes: UnsafeRawBufferPointer, into records: inout [InotifyRecord]) {
        var position = 0
        while position + 16 <= bytes.count {
            let watch = bytes.loadUnaligned(fromByteOffset: position, as: Int32.self)
            let mask = bytes.loadUnaligned(fromByteOffset: position + 4, as: UInt32.self)
            let cookie = bytes.loadUnaligned(fromByteOffset: position + 8, as: UInt32.self)
            let length = Int(bytes.loadUnaligned(fromByteOffset: position + 12, as: UInt32.self))
            let start = position + 16
            guard start + length <= bytes.count else { return }
            let name = bytes[start..<(start + length)].prefix { $0 != 0 }
            records.append(
                InotifyRecord(watch: watch, mask: InotifyMask(rawValue: mask), cookie: cookie, name: Array(name)))
            position = start + length
        }
    }
}
