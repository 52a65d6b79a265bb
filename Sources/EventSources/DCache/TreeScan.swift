/// A search through the name space, one folder at a time, so that the stream is followed in between.
struct TreeScan: Sendable {
    /// Why it is made, and so what a file that is found means.
    enum Reason: Sendable, Hashable {
        /// The very first look.
        case first(announce: Bool)
        /// Everything, because news may be missing.
        case repair
        /// One folder, because its news were too many.
        case folder
        /// A folder that was made.
        case created
        /// A folder that came in from elsewhere.
        case appeared
    }

    /// A file that was not known, kept until it is clear whether it was only moved.
    struct Found: Sendable {
        var path: String
        var facts: NamespaceFacts
    }

    let reason: Reason
    /// Where it begins.
    let watched: String
    /// Folders that are still to be looked at, the next one last.
    var stack: [String]
    var found: [Found] = []
    var gone: [(path: String, entry: NamespaceEntry)] = []
    var told = 0
    /// What was missed, of `folder`.
    var gap: EventGap?

    init(_ reason: Reason, _ paths: [String]) {
        self.reason = reason
        watched = paths.first ?? "/"
        stack = paths.sorted(by: >)
    }

    /// Whether all that is specified is looked at.
    var isWhole: Bool {
        switch reason {
        case .first, .repair: true
        case .folder, .created, .appeared: false
        }
    }

    /// Whether what is known and not found is gone.
    var findsLosses: Bool {
        switch reason {
        case .repair, .folder: true
        case .first, .created, .appeared: false
        }
    }

    /// Whether folders below are entered.
    var isDeep: Bool { reason != .folder }
}

/// A time of which news may be missing; nanoseconds since 1970.
struct EventGap: Sendable, Hashable {
    var from: Int64?
    var to: Int64
    var reason: String

    /// `from to reason`.
    var encoded: [UInt8] { Array("\(from.map(String.init) ?? "-") \(to) \(reason)".utf8) }

    init(from: Int64?, to: Int64, reason: String) {
        self.from = from
        self.to = to
        self.reason = reason
    }

    init?(encoded: [UInt8]) {
        let parts = String(decoding: encoded, as: UTF8.self).split(separator: " ", maxSplits: 2)
        guard parts.count == 3, let to = Int64(parts[1]) else { return nil }
        self.init(from: Int64(parts[0]), to: to, reason: String(parts[2]))
    }
}
