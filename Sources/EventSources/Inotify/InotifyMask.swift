/// The flags of an inotify event (linux/inotify.h).
package struct InotifyMask: OptionSet, Sendable, Hashable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let access = InotifyMask(rawValue: 0x1)
    package static let modify = InotifyMask(rawValue: 0x2)
    package static let attributes = InotifyMask(rawValue: 0x4)
    package static let closeWrite = InotifyMask(rawValue: 0x8)
    package static let closeNoWrite = InotifyMask(rawValue: 0x10)
    package static let open = InotifyMask(rawValue: 0x20)
    package static let movedFrom = InotifyMask(rawValue: 0x40)
    package static let movedTo = InotifyMask(rawValue: 0x80)
    package static let create = InotifyMask(rawValue: 0x100)
    package static let delete = InotifyMask(rawValue: 0x200)
    package static let deleteSelf = InotifyMask(rawValue: 0x400)
    package static let moveSelf = InotifyMask(rawValue: 0x800)
    package static let unmount = InotifyMask(rawValue: 0x2000)
    package static let overflow = InotifyMask(rawValue: 0x4000)
    package static let ignored = InotifyMask(rawValue: 0x8000)
    package static let isDirectory = InotifyMask(rawValue: 0x4000_0000)

    private static let named: [(InotifyMask, String)] = [
        (.access, "IN_ACCESS"), (.modify, "IN_MODIFY"), (.attributes, "IN_ATTRIB"), (.closeWrite, "IN_CLOSE_WRITE"),
        (.closeNoWrite, "IN_CLOSE_NOWRITE"), (.open, "IN_OPEN"), (.movedFrom, "IN_MOVED_FROM"),
        (.movedTo, "IN_MOVED_TO"), (.create, "IN_CREATE"), (.delete, "IN_DELETE"), (.deleteSelf, "IN_DELETE_SELF"),
        (.moveSelf, "IN_MOVE_SELF"), (.unmount, "IN_UNMOUNT"), (.overflow, "IN_Q_OVERFLOW"), (.ignored, "IN_IGNORED"),
        (.isDirectory, "IN_ISDIR"),
    ]

    /// The kernel's names of the flags that are set.
    package var names: [String] { Self.named.filter { contains($0.0) }.map(\.1) }

    /// The flag of a kernel's name.
    package init?(name: String) {
        guard let found = Self.named.first(where: { $0.1 == name }) else { return nil }
        self = found.0
    }
}
