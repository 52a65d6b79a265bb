/// Below which paths events may be seen.
///
/// Paths are compared segment by segment and byte by byte: `/foo` covers `/foo` and `/foo/bar`, not `/foobar`, not
/// `/Foo`. Comparing them as texts is how `storage.read:/pri` came to read `/priv` in real storage servers.
package enum PathScope: Sendable, Hashable {
    case all
    /// Any of these; none of them: nothing.
    case below([Prefix])

    /// A path that covers itself and everything below it.
    package struct Prefix: Sendable, Hashable {
        package let segments: [String]

        /// `nil` when this is no absolute path or one that may mean another one: a segment `.` or `..`, a backslash or
        /// a control character.
        package init?(_ path: String) {
            guard path.utf8.first == PathScope.slash, PathScope.isUnambiguous(path) else { return nil }
            segments = path.utf8.split(separator: PathScope.slash).map { String(decoding: $0, as: UTF8.self) }
        }
    }

    /// Whether events of this path may be seen; `nil`: an event without a path, which only `all` covers.
    ///
    /// What is no clean absolute path (`Unknown`, `/a/../b`, `parent:[…]/name`) is covered by no prefix, not even `/`.
    package func covers(_ path: String?) -> Bool {
        switch self {
        case .all: return true
        case .below(let prefixes):
            guard !prefixes.isEmpty, let path, path.utf8.first == Self.slash, Self.isUnambiguous(path) else {
                return false
            }
            return prefixes.contains { Self.begins(path, with: $0) }
        }
    }

    /// What both cover.
    package func intersection(_ other: PathScope) -> PathScope {
        switch (self, other) {
        case (.all, let scope), (let scope, .all): return scope
        case (.below(let mine), .below(let theirs)):
            var both: [Prefix] = []
            for a in mine {
                for b in theirs {
                    let (short, long) = a.segments.count <= b.segments.count ? (a, b) : (b, a)
                    if long.segments.starts(with: short.segments, by: Self.sameBytes), !both.contains(long) {
                        both.append(long)
                    }
                }
            }
            return .below(both)
        }
    }

    private static let slash = UInt8(ascii: "/")

    private static func begins(_ path: String, with prefix: Prefix) -> Bool {
        var rest = path.utf8[...]
        for segment in prefix.segments {
            rest = rest.drop { $0 == slash }
            let next = rest.prefix { $0 != slash }
            guard next.elementsEqual(segment.utf8) else { return false }
            rest = rest.dropFirst(next.count)
        }
        return true
    }

    // Swift's == takes é as one and as two code points for the same; file systems do not.
    private static func sameBytes(_ a: String, _ b: String) -> Bool { a.utf8.elementsEqual(b.utf8) }

    private static func isUnambiguous(_ path: String) -> Bool {
        var dots = 0
        var length = 0
        for byte in path.utf8 {
            switch byte {
            case slash:
                if length > 0, length == dots, dots <= 2 { return false }
                (dots, length) = (0, 0)
            case 0..<0x20, 0x7F, UInt8(ascii: "\\"): return false
            default:
                length += 1
                if byte == UInt8(ascii: ".") { dots += 1 }
            }
        }
        return !(length > 0 && length == dots && dots <= 2)
    }
}
