public import CloudEvents

/// What changes when one document takes the place of another.
public struct DocumentDiff: Sendable, Hashable {
    /// One place where the two differ.
    public struct Difference: Sendable, Hashable {
        /// As a person would write it: `delivery.retry.attempts`, `filters[0].exact.type`; empty for the whole.
        public var path: String
        /// `nil`: was not there.
        public var old: JSONValue?
        /// `nil`: is there no longer.
        public var new: JSONValue?

        public init(path: String, old: JSONValue?, new: JSONValue?) {
            self.path = path
            self.old = old
            self.new = new
        }
    }

    /// In the order of the new document, what is gone behind what stands beside it.
    public let differences: [Difference]

    /// Members may stand in any order, and `1` is `1.0`; the order of a list counts.
    public init(from old: JSONValue?, to new: JSONValue?) {
        var differences: [Difference] = []
        Self.compare(old, new, path: "", into: &differences)
        self.differences = differences
    }

    public var isEmpty: Bool { differences.isEmpty }

    /// One line a difference: `+ path: new`, `- path: old`, `~ path: old → new`.
    public var text: String {
        differences.map { difference in
            let path = difference.path.isEmpty ? "" : difference.path + ": "
            return switch (difference.old, difference.new) {
            case (let old?, let new?): "~ \(path)\(old.text) → \(new.text)"
            case (nil, let new?): "+ \(path)\(new.text)"
            case (let old?, nil): "- \(path)\(old.text)"
            case (nil, nil): ""
            }
        }.joined(separator: "\n")
    }

    private static func compare(
        _ old: JSONValue?, _ new: JSONValue?, path: String, into out: inout [Difference]
    ) {
        switch (old, new) {
        case (nil, nil): return
        case (.object(let before)?, .object(let after)?):
            func inside(_ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }
            for member in after.members {
                compare(before[member.name], member.value, path: inside(member.name), into: &out)
            }
            for member in before.members where after[member.name] == nil {
                out.append(Difference(path: inside(member.name), old: member.value, new: nil))
            }
        case (.array(let before)?, .array(let after)?):
            for index in 0..<max(before.count, after.count) {
                // Written out: a bare nil would be the JSON null.
                let earlier = index < before.count ? Optional.some(before[index]) : Optional.none
                let later = index < after.count ? Optional.some(after[index]) : Optional.none
                compare(earlier, later, path: "\(path)[\(index)]", into: &out)
            }
        case (let before?, let after?):
            if before == after { return }
            if let a = before.double, let b = after.double, a == b, before.integer == after.integer { return }
            out.append(Difference(path: path, old: before, new: after))
        default:
            out.append(Difference(path: path, old: old, new: new))
        }
    }
}
