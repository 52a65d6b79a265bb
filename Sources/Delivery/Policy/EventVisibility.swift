package import CloudEvents

/// Which events somebody may see: all, or those whose subject lies below one of some paths.
///
/// Paths compare by whole segments: `/a` covers `/a` and `/a/b`, not `/ab`. A subject with a segment `..` or `.` is
/// never covered, since it may lead anywhere, and an event without a subject is seen only by who sees all.
package struct EventVisibility: Sendable, Hashable {
    /// Sees everything.
    package static let all = EventVisibility(paths: nil)

    /// `nil`: everything. Each path without its trailing slashes.
    private let paths: [[UInt8]]?

    private init(paths: [[UInt8]]?) { self.paths = paths }

    /// Sees what lies at or below these paths; nothing when there are none. `/` covers every absolute path.
    package init(prefixes: [String]) {
        paths = prefixes.compactMap { prefix in
            var bytes = Array(prefix.utf8)
            guard !bytes.isEmpty else { return nil }
            while bytes.last == 0x2F { bytes.removeLast() }
            return bytes
        }
    }

    /// Whether nothing is hidden.
    package var isAll: Bool { paths == nil }

    /// Whether the event may be seen.
    package func allows(_ view: EventView) -> Bool {
        guard let paths else { return true }
        guard let subject = view.attribute("subject") else { return false }
        guard !Self.hasDots(subject) else { return false }
        return paths.contains { path in
            guard subject.count >= path.count, subject.count == path.count || subject[path.count] == 0x2F else {
                return false
            }
            return subject.prefix(path.count).elementsEqual(path)
        }
    }

    /// Whether a segment is `.` or `..`.
    private static func hasDots(_ subject: UnsafeRawBufferPointer) -> Bool {
        var dots = 0
        var others = 0
        for byte in subject {
            if byte == 0x2F {
                if others == 0, dots == 1 || dots == 2 { return true }
                dots = 0
                others = 0
            } else if byte == 0x2E {
                dots += 1
            } else {
                others += 1
            }
        }
        return others == 0 && (dots == 1 || dots == 2)
    }
}
