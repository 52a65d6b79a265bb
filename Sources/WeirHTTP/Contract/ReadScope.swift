package import CloudEvents

/// Which events somebody may see.
package enum ReadScope: Sendable, Hashable {
    case everything
    /// Only events whose `subject` is one of these absolute paths or lies below one; `/` is every absolute path.
    case below([String])

    /// Whether an event may be shown. An event without a subject, or with one that has empty, `.` or `..` segments
    /// (which name another place than they seem to), is shown only to who may see everything.
    package func permits(_ event: EventView) -> Bool {
        switch self {
        case .everything: return true
        case .below(let paths):
            guard let subject = event.attribute("subject"), Self.isPlainPath(subject) else { return false }
            return paths.contains { Self.isBelow(subject, $0) }
        }
    }

    private static func isBelow(_ subject: UnsafeRawBufferPointer, _ path: String) -> Bool {
        var path = path
        return path.withUTF8 { path in
            var count = path.count
            while count > 0, path[count - 1] == 0x2F { count -= 1 }
            if count == 0 { return !path.isEmpty && subject.first == 0x2F }
            guard subject.count >= count else { return false }
            for index in 0..<count where subject[index] != path[index] { return false }
            return subject.count == count || subject[count] == 0x2F
        }
    }

    /// Whether no segment is empty, `.` or `..` (one slash at the end is allowed).
    private static func isPlainPath(_ subject: UnsafeRawBufferPointer) -> Bool {
        guard subject.first == 0x2F else { return false }
        var start = 1
        for index in 1...subject.count {
            guard index == subject.count || subject[index] == 0x2F else { continue }
            let length = index - start
            if length == 0, index < subject.count { return false }
            if length == 1, subject[start] == 0x2E { return false }
            if length == 2, subject[start] == 0x2E, subject[start + 1] == 0x2E { return false }
            start = index + 1
        }
        return true
    }
}
